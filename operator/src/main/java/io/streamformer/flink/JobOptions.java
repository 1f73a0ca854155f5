package io.streamformer.flink;

import static io.streamformer.options.Option.Scope.EVENT;
import static io.streamformer.options.Option.Scope.JOB;
import static io.streamformer.options.Option.Scope.ROUTE;
import static io.streamformer.options.OptionType.BOOLEAN;
import static io.streamformer.options.OptionType.BYTES;
import static io.streamformer.options.OptionType.DURATION;
import static io.streamformer.options.OptionType.INTEGER;
import static io.streamformer.options.OptionType.MAP;
import static io.streamformer.options.OptionType.STRING;
import static io.streamformer.options.OptionType.STRINGS;
import static io.streamformer.options.OptionType.oneOf;

import io.streamformer.batch.Priority;
import io.streamformer.bundle.DecodingOptions;
import io.streamformer.options.Option;
import io.streamformer.options.Options;
import io.streamformer.pipeline.ModelOptions;
import java.time.Duration;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import org.apache.flink.connector.base.DeliveryGuarantee;

/**
 * The options of {@link StreamformerJob}: those declared here, {@link ModelOptions} and {@link
 * DecodingOptions}. An option {@code model.x} holds for every bundle, {@code model.<bundle name>.x}
 * for one.
 */
public final class JobOptions {

    /** Room for a dead letter's reason and stack trace. */
    private static final long SMALLEST_RECORD = 50_000;

    private static final Duration SHORTEST_CHECKPOINT_INTERVAL = Duration.ofMillis(10);

    public static final Option<String> BOOTSTRAP_SERVERS =
            Option.named("bootstrap-servers", JOB, STRING)
                    .help("Kafka's brokers as host:port, with commas between. Required.");

    public static final Option<Map<String, String>> KAFKA_PROPERTIES =
            Option.named("kafka.properties", JOB, MAP)
                    .defaultsTo(Map.of())
                    .help(
                            "Settings of every Kafka client of the job, such as TLS or SASL, as"
                                    + " name:value with commas between. A value with a comma goes in"
                                    + " double quotes; --kafka.properties.NAME VALUE sets one.");

    public static final Option<String> INPUT_TOPIC =
            Option.named("input.topic", JOB, STRING)
                    .defaultsTo("text-events")
                    .help("Topic of the events.");

    public static final Option<InputFormat> INPUT_FORMAT =
            Option.named("input.format", JOB, oneOf(InputFormat.class))
                    .defaultsTo(InputFormat.AVRO)
                    .help(
                            "avro for TextEvent records; text if the value is the text itself in"
                                    + " UTF-8.");

    public static final Option<String> INPUT_GROUP_ID =
            Option.named("input.group-id", JOB, STRING)
                    .defaultsTo("streamformer")
                    .help(
                            "Consumer group whose offsets are committed. Give each job that reads"
                                    + " the topic its own.");

    public static final Option<InputStart> INPUT_START =
            Option.named("input.start", JOB, oneOf(InputStart.class))
                    .defaultsTo(InputStart.COMMITTED)
                    .help(
                            "Where a job without a checkpoint begins: committed (earliest if the"
                                    + " group has no offset), earliest or latest.");

    public static final Option<Boolean> INPUT_BOUNDED =
            Option.named("input.bounded", JOB, BOOLEAN)
                    .defaultsTo(false)
                    .help(
                            "true ends the job at the offsets that are the latest when it starts,"
                                    + " for a backfill or a test.");

    public static final Option<List<String>> BUNDLES =
            Option.named("bundles", JOB, STRINGS)
                    .defaultsTo(List.of())
                    .help(
                            "Paths of the bundles to run, with semicolons between, or repeat the"
                                    + " option. Any file system of Flink works if the client and"
                                    + " every TaskManager can read it. Required.");

    public static final Option<String> BUNDLE_CACHE =
            Option.named("bundle-cache", JOB, STRING)
                    .help(
                            "Folder on each TaskManager's disk for bundles from other file systems."
                                    + " Default: streamformer-bundles in its temporary folder.");

    public static final Option<String> RESULTS_TOPIC =
            Option.named("results-topic", ROUTE, STRING)
                    .help(
                            "Topic of a bundle's results. Default by task: text-sentiment"
                                    + " (text-classification), text-entities, text-answers,"
                                    + " text-embeddings, text-translations, text-summaries or"
                                    + " text-generations (text2text-generation and"
                                    + " text-generation). Two bundles need two topics.");

    public static final Option<Priority> PRIORITY =
            Option.named("priority", EVENT, oneOf(Priority.class))
                    .defaultsTo(Priority.NORMAL)
                    .help(
                            "Which of the jobs and events that share a model go first. Applies to"
                                    + " events that set no priority.");

    public static final Option<Integer> ASYNC_CAPACITY =
            Option.named("async.capacity", ROUTE, INTEGER)
                    .defaultsTo(1024)
                    .help(
                            "Maximum events under way per subtask; at least rows per batch ×"
                                    + " (batches in flight + 1). Higher values give batches more"
                                    + " texts of similar length, lower ones need less memory for"
                                    + " long texts.");

    public static final Option<Duration> ASYNC_TIMEOUT =
            Option.named("async.timeout", ROUTE, DURATION)
                    .defaultsTo(Duration.ofMinutes(2))
                    .check("at least 1 ms", value -> value.toMillis() >= 1)
                    .help("Longest time an event may take before it becomes a dead letter.");

    public static final Option<Order> ASYNC_ORDER =
            Option.named("async.order", ROUTE, oneOf(Order.class))
                    .defaultsTo(Order.ALL)
                    .help(
                            "all keeps the order of the events of a subtask. key keeps the order of"
                                    + " events with the same Kafka key, so that a slow one delays no"
                                    + " other key. none emits each result when it is ready.");

    public static final Option<String> DEAD_LETTER_TOPIC =
            Option.named("dead-letters.topic", JOB, STRING)
                    .defaultsTo("text-dead-letters")
                    .help("Topic of events without a result.");

    public static final Option<DeliveryGuarantee> DELIVERY_GUARANTEE =
            Option.named("sink.delivery-guarantee", JOB, oneOf(DeliveryGuarantee.class))
                    .defaultsTo(DeliveryGuarantee.EXACTLY_ONCE)
                    .help(
                            "exactly-once shows results to read_committed readers at each"
                                    + " checkpoint. at-least-once shows them at once and may repeat"
                                    + " some after a failure. none may lose some.");

    public static final Option<String> TRANSACTION_PREFIX =
            Option.named("sink.transactional-id-prefix", JOB, STRING)
                    .help(
                            "Start of the transactional ids, unique among all jobs of the Kafka"
                                    + " cluster. Default: streamformer- and the group id.");

    public static final Option<Duration> TRANSACTION_TIMEOUT =
            Option.named("sink.transaction-timeout", JOB, DURATION)
                    .defaultsTo(Duration.ofMinutes(15))
                    .help(
                            "Must exceed the longest outage you want to survive without data loss."
                                    + " Beyond 15 min, raise the broker's"
                                    + " transaction.max.timeout.ms first.");

    public static final Option<Long> MAX_RECORD_BYTES =
            Option.named("sink.max-record-bytes", JOB, BYTES)
                    .defaultsTo(1_000_000L)
                    .check("at least 50000 bytes", value -> value >= SMALLEST_RECORD)
                    .help(
                            "Largest record that is written. A larger result becomes a dead letter;"
                                    + " a larger dead letter loses its value. Raise it together with"
                                    + " the topics' max.message.bytes.");

    public static final Option<Duration> CHECKPOINT_INTERVAL =
            Option.named("checkpoint.interval", JOB, DURATION)
                    .defaultsTo(Duration.ofSeconds(5))
                    .check(
                            "at least 10 ms",
                            value -> value.compareTo(SHORTEST_CHECKPOINT_INTERVAL) >= 0)
                    .help(
                            "Time between checkpoints. With exactly-once, results become visible at"
                                    + " each.");

    public static final Option<String> CHECKPOINT_DIRECTORY =
            Option.named("checkpoint.directory", JOB, STRING)
                    .help("Where checkpoints are kept. Default: Flink's.");

    public static final Option<Integer> PARALLELISM =
            Option.named("parallelism", JOB, INTEGER)
                    .check("at least 1", value -> value >= 1)
                    .help(
                            "Subtasks of every operator. Subtasks of one TaskManager share the"
                                    + " model, so it need not be high. Default: Flink's.");

    public static final Option<String> JOB_NAME =
            Option.named("job.name", JOB, STRING)
                    .defaultsTo("streamformer")
                    .help("The job's name in Flink's web UI.");

    /** Every option, in the order of their declaration. */
    public static final List<Option<?>> ALL =
            Option.declaredIn(JobOptions.class, ModelOptions.class, DecodingOptions.class);

    /** As they were given, by key. */
    private final SortedMap<String, String> given;

    private final Options values;

    private JobOptions(SortedMap<String, String> given) {
        this.given = Collections.unmodifiableSortedMap(new TreeMap<>(given));
        values = JobKeys.read(given, null);
    }

    /**
     * Options by their keys.
     *
     * @throws IllegalArgumentException in one line, if a key is unknown, a value cannot be read or
     *     options do not go together
     */
    public static JobOptions of(Map<String, String> given) {
        JobOptions options = new JobOptions(new TreeMap<>(given));
        JobRules.check(options);
        return options;
    }

    /**
     * Options from a command line of {@code --key value} pairs.
     *
     * @throws IllegalArgumentException in one line, as {@link #of}
     */
    public static JobOptions fromArgs(String... args) {
        return of(OptionsText.parse(args));
    }

    /** Options from code. */
    public static Builder builder() {
        return new Builder();
    }

    /** The manual of the command line. */
    public static String help() {
        return OptionsText.help();
    }

    /** The option's value, or its default; null where there is neither. */
    public <T> T get(Option<T> option) {
        return values.get(option);
    }

    <T> Optional<T> find(Option<T> option) {
        return values.find(option);
    }

    /** As they were given, by key. */
    SortedMap<String, String> given() {
        return given;
    }

    /** The options as they hold for one bundle. */
    Options forBundle(String name) {
        return JobKeys.read(given, name);
    }

    String transactionPrefix() {
        return find(TRANSACTION_PREFIX).orElseGet(() -> "streamformer-" + get(INPUT_GROUP_ID));
    }

    /** Collects options; what is not set keeps its default. */
    public static final class Builder {
        private final TreeMap<String, String> given = new TreeMap<>();

        private Builder() {}

        public <T> Builder set(Option<T> option, T value) {
            given.put(option.key(), option.type().write(value));
            return this;
        }

        /** Sets an option by its key: for those of one bundle, {@code model.<bundle name>.x}. */
        public Builder set(String key, String value) {
            given.put(key, value);
            return this;
        }

        /** The options, checked as {@link JobOptions#of} does. */
        public JobOptions build() {
            return of(given);
        }
    }
}
