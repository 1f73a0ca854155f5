package io.streamformer.flink;

import io.streamformer.batch.Priority;
import io.streamformer.inference.Device;
import io.streamformer.pipeline.PipelineOptions;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ConfigOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.MemorySize;
import org.apache.flink.connector.base.DeliveryGuarantee;

/**
 * The options of {@link StreamformerJob}, each declared once. An option {@code model.x} holds for
 * every bundle, {@code model.<bundle name>.x} for one.
 */
public final class JobOptions {

    static final String MODEL_PREFIX = "model.";

    private static final PipelineOptions PIPELINE = PipelineOptions.defaults();

    public static final ConfigOption<String> BOOTSTRAP_SERVERS =
            ConfigOptions.key("bootstrap-servers")
                    .stringType()
                    .noDefaultValue()
                    .withDescription(
                            "Kafka's brokers as host:port, with commas between. Required.");

    public static final ConfigOption<Map<String, String>> KAFKA_PROPERTIES =
            ConfigOptions.key("kafka.properties")
                    .mapType()
                    .defaultValue(Map.of())
                    .withDescription(
                            "Settings of every Kafka client of the job as name:value, with commas"
                                    + " between; for brokers that want TLS or SASL.");

    public static final ConfigOption<String> INPUT_TOPIC =
            ConfigOptions.key("input.topic")
                    .stringType()
                    .defaultValue("text-events")
                    .withDescription("The topic of the events.");

    public static final ConfigOption<InputFormat> INPUT_FORMAT =
            ConfigOptions.key("input.format")
                    .enumType(InputFormat.class)
                    .defaultValue(InputFormat.AVRO)
                    .withDescription(
                            "avro for TextEvent records; text where the value is the text itself in"
                                    + " UTF-8.");

    public static final ConfigOption<String> INPUT_GROUP_ID =
            ConfigOptions.key("input.group-id")
                    .stringType()
                    .defaultValue("streamformer")
                    .withDescription(
                            "The consumer group whose offsets are committed; one per job that reads"
                                    + " the topic.");

    public static final ConfigOption<InputStart> INPUT_START =
            ConfigOptions.key("input.start")
                    .enumType(InputStart.class)
                    .defaultValue(InputStart.COMMITTED)
                    .withDescription(
                            "Where a job without a checkpoint begins: committed (earliest where the"
                                    + " group has no offset), earliest or latest.");

    public static final ConfigOption<Boolean> INPUT_BOUNDED =
            ConfigOptions.key("input.bounded")
                    .booleanType()
                    .defaultValue(false)
                    .withDescription(
                            "true ends the job at the offsets that are the latest when it starts;"
                                    + " for a backfill or a test.");

    public static final ConfigOption<List<String>> BUNDLES =
            ConfigOptions.key("bundles")
                    .stringType()
                    .asList()
                    .noDefaultValue()
                    .withDescription(
                            "Paths of the bundles to run, with semicolons between or the option"
                                    + " repeated; any file system of Flink's, readable from where the"
                                    + " job is submitted and from every TaskManager. Required.");

    public static final ConfigOption<String> BUNDLE_CACHE =
            ConfigOptions.key("bundle-cache")
                    .stringType()
                    .noDefaultValue()
                    .withDescription(
                            "Folder on each TaskManager's disk for bundles from other file systems;"
                                    + " streamformer-bundles in its temporary folder where it is not"
                                    + " set.");

    public static final ConfigOption<String> RESULTS_TOPIC =
            ConfigOptions.key("model.results-topic")
                    .stringType()
                    .noDefaultValue()
                    .withDescription(
                            "The topic of a bundle's results; where it is not set that of its task:"
                                    + " text-sentiment (text-classification), text-entities,"
                                    + " text-answers, text-embeddings, text-translations,"
                                    + " text-summaries or text-generations (text2text-generation"
                                    + " and text-generation). Two bundles need two topics.");

    public static final ConfigOption<String> VARIANT =
            ConfigOptions.key("model.variant")
                    .stringType()
                    .noDefaultValue()
                    .withDescription(
                            "The variant to run, such as fp32 or int8; the bundle's default where"
                                    + " it is not set.");

    public static final ConfigOption<String> DEVICE =
            ConfigOptions.key("model.device")
                    .stringType()
                    .defaultValue(Device.AUTO.toString())
                    .withDescription(
                            "auto takes a GPU where there is one (all that Flink hands out as"
                                    + " external resource gpu); cpu never does; cuda:N, and cuda:N,M"
                                    + " for several, fails without these GPUs; tensorrt:N is for"
                                    + " encoders.");

    public static final ConfigOption<Integer> BATCH_MAX_ROWS =
            ConfigOptions.key("model.batch.max-rows")
                    .intType()
                    .defaultValue(PIPELINE.maxBatchRows())
                    .withDescription(
                            "Most texts in one run; more helps a GPU, on a CPU 32 is enough.");

    public static final ConfigOption<Integer> BATCH_MAX_TOKENS =
            ConfigOptions.key("model.batch.max-tokens")
                    .intType()
                    .defaultValue(PIPELINE.maxBatchTokens())
                    .withDescription(
                            "Most padded tokens (longest text times texts) in one run; lower it"
                                    + " where memory is short.");

    public static final ConfigOption<Duration> BATCH_MAX_DELAY =
            ConfigOptions.key("model.batch.max-delay")
                    .durationType()
                    .defaultValue(PIPELINE.maxDelay())
                    .withDescription(
                            "Longest time a text waits for neighbours while the device is busy;"
                                    + " more gives fuller batches, less gives answers sooner.");

    public static final ConfigOption<Duration> BATCH_MAX_TIME =
            ConfigOptions.key("model.batch.max-time")
                    .durationType()
                    .defaultValue(PIPELINE.maxBatchTime())
                    .withDescription(
                            "Longest time that one run may take, as far as earlier runs tell;"
                                    + " batches get smaller to stay within it. 0 is any.");

    public static final ConfigOption<Integer> RUN_THREADS =
            ConfigOptions.key("model.run-threads")
                    .intType()
                    .defaultValue(PIPELINE.runThreads())
                    .withDescription(
                            "Batches that run at the same time in a TaskManager; 0 takes one per"
                                    + " core on a CPU and one on a GPU.");

    public static final ConfigOption<Integer> INTRA_OP_THREADS =
            ConfigOptions.key("model.intra-op-threads")
                    .intType()
                    .defaultValue(PIPELINE.intraOpThreads())
                    .withDescription(
                            "Threads that share one run; raise it with few run-threads for answers"
                                    + " sooner at a lower rate.");

    public static final ConfigOption<Integer> NUM_BEAMS =
            ConfigOptions.key("model.num-beams")
                    .intType()
                    .noDefaultValue()
                    .withDescription(
                            "Beams of a generating model, 1 is greedy and fastest; the bundle's"
                                    + " default where it is not set.");

    public static final ConfigOption<Integer> NUM_RETURN_SEQUENCES =
            ConfigOptions.key("model.num-return-sequences")
                    .intType()
                    .defaultValue(PIPELINE.numReturnSequences())
                    .withDescription(
                            "Texts that a generating model answers with: the best, and the next"
                                    + " best as its alternatives; at most the beams.");

    public static final ConfigOption<Float> LENGTH_PENALTY =
            ConfigOptions.key("model.length-penalty")
                    .floatType()
                    .noDefaultValue()
                    .withDescription(
                            "Exponent of the length in a hypothesis' score, more favours longer"
                                    + " texts; the bundle's default where it is not set.");

    public static final ConfigOption<Integer> MIN_NEW_TOKENS =
            ConfigOptions.key("model.min-new-tokens")
                    .intType()
                    .noDefaultValue()
                    .withDescription(
                            "Least tokens that a generating model writes per text; the bundle's"
                                    + " default where it is not set.");

    public static final ConfigOption<Integer> MAX_NEW_TOKENS =
            ConfigOptions.key("model.max-new-tokens")
                    .intType()
                    .noDefaultValue()
                    .withDescription(
                            "Most tokens that a generating model writes per text; the bundle's"
                                    + " default where it is not set.");

    public static final ConfigOption<Float> REPETITION_PENALTY =
            ConfigOptions.key("model.repetition-penalty")
                    .floatType()
                    .noDefaultValue()
                    .withDescription(
                            "How much less likely tokens become that were generated before; raise"
                                    + " it above 1 where a model repeats itself; the bundle's default"
                                    + " where it is not set. Needs a bundle whose graph has the input"
                                    + " of this name.");

    public static final ConfigOption<Integer> NO_REPEAT_NGRAM_SIZE =
            ConfigOptions.key("model.no-repeat-ngram-size")
                    .intType()
                    .noDefaultValue()
                    .withDescription(
                            "No run of so many tokens comes twice; for summaries that repeat"
                                    + " themselves; 0 is none, the bundle's default where it is not"
                                    + " set. Needs a bundle whose graph has the input of this name.");

    public static final ConfigOption<List<Integer>> SUPPRESS_TOKENS =
            ConfigOptions.key("model.suppress-tokens")
                    .intType()
                    .asList()
                    .defaultValues()
                    .withDescription(
                            "Ids that are never generated, with semicolons between. Needs a"
                                    + " bundle whose graph has the input of this name.");

    public static final ConfigOption<Float> TEMPERATURE =
            ConfigOptions.key("model.temperature")
                    .floatType()
                    .noDefaultValue()
                    .withDescription(
                            "Above 0 a generating model samples, with one beam: 1 as likely as the"
                                    + " model says, less is more certain; 0 searches, the bundle's"
                                    + " default where it is not set. Needs a bundle whose graph has the"
                                    + " input of this name.");

    public static final ConfigOption<Integer> TOP_K =
            ConfigOptions.key("model.top-k")
                    .intType()
                    .noDefaultValue()
                    .withDescription(
                            "Sample from so many of the likeliest tokens; 0 is all, the bundle's"
                                    + " default where it is not set. Needs a bundle whose graph has the"
                                    + " input of this name.");

    public static final ConfigOption<Float> TOP_P =
            ConfigOptions.key("model.top-p")
                    .floatType()
                    .noDefaultValue()
                    .withDescription(
                            "Sample from the likeliest tokens that have this share of probability"
                                    + " together; 1 is all, the bundle's default where it is not set."
                                    + " Needs a bundle whose graph has the input of this name.");

    public static final ConfigOption<MemorySize> CACHE_MAX_BYTES =
            ConfigOptions.key("model.cache.max-bytes")
                    .memoryType()
                    .defaultValue(MemorySize.ZERO)
                    .withDescription(
                            "Size of a TaskManager's cache of answers: a text that came before is"
                                    + " answered without a run. For streams that repeat themselves;"
                                    + " 0 is none.");

    public static final ConfigOption<Map<String, String>> PROVIDER_OPTIONS =
            ConfigOptions.key("model.provider-options")
                    .mapType()
                    .defaultValue(Map.of())
                    .withDescription(
                            "Options of ONNX Runtime's CUDA or TensorRT provider as name:value, with"
                                    + " commas between, such as gpu_mem_limit.");

    public static final ConfigOption<Priority> PRIORITY =
            ConfigOptions.key("model.priority")
                    .enumType(Priority.class)
                    .defaultValue(Priority.NORMAL)
                    .withDescription(
                            "high, normal or low: who goes first among the jobs and events that"
                                    + " share a model. Holds for events of normal priority, which is"
                                    + " that of events which say nothing.");

    public static final ConfigOption<Integer> ASYNC_CAPACITY =
            ConfigOptions.key("model.async.capacity")
                    .intType()
                    .defaultValue(1024)
                    .withDescription(
                            "Most events under way per subtask, at least rows per batch x (batches"
                                    + " in flight + 1); more gives the batches more texts of"
                                    + " similar length, less needs less memory for long texts.");

    public static final ConfigOption<Duration> ASYNC_TIMEOUT =
            ConfigOptions.key("model.async.timeout")
                    .durationType()
                    .defaultValue(Duration.ofMinutes(2))
                    .withDescription(
                            "Longest time an event may take before it becomes a dead letter.");

    public static final ConfigOption<Order> ASYNC_ORDER =
            ConfigOptions.key("model.async.order")
                    .enumType(Order.class)
                    .defaultValue(Order.ALL)
                    .withDescription(
                            "all keeps the order of the events of a subtask; key that of events"
                                    + " whose Kafka records have a key in common, so that a slow one"
                                    + " holds up no other key; none lets each result leave when it is"
                                    + " ready.");

    public static final ConfigOption<String> DEAD_LETTER_TOPIC =
            ConfigOptions.key("dead-letters.topic")
                    .stringType()
                    .defaultValue("text-dead-letters")
                    .withDescription("The topic of events without a result.");

    public static final ConfigOption<DeliveryGuarantee> DELIVERY_GUARANTEE =
            ConfigOptions.key("sink.delivery-guarantee")
                    .enumType(DeliveryGuarantee.class)
                    .defaultValue(DeliveryGuarantee.EXACTLY_ONCE)
                    .withDescription(
                            "exactly-once shows results to read_committed readers at each"
                                    + " checkpoint; at-least-once shows them at once and may repeat"
                                    + " some after a failure; none may lose some.");

    public static final ConfigOption<String> TRANSACTION_PREFIX =
            ConfigOptions.key("sink.transactional-id-prefix")
                    .stringType()
                    .noDefaultValue()
                    .withDescription(
                            "Start of the transactional ids, unique among all jobs of the Kafka"
                                    + " cluster; streamformer- and the group id where it is not"
                                    + " set.");

    public static final ConfigOption<Duration> TRANSACTION_TIMEOUT =
            ConfigOptions.key("sink.transaction-timeout")
                    .durationType()
                    .defaultValue(Duration.ofMinutes(15))
                    .withDescription(
                            "How long a transaction stays open, so the longest outage a job"
                                    + " survives without loss; beyond 15 min the broker's"
                                    + " transaction.max.timeout.ms has to be raised first.");

    public static final ConfigOption<MemorySize> MAX_RECORD_BYTES =
            ConfigOptions.key("sink.max-record-bytes")
                    .memoryType()
                    .defaultValue(new MemorySize(1_000_000))
                    .withDescription(
                            "Largest record that is written; a larger result becomes a dead letter,"
                                    + " a larger dead letter leaves its value out. Raise it together"
                                    + " with the topics' max.message.bytes.");

    public static final ConfigOption<Duration> CHECKPOINT_INTERVAL =
            ConfigOptions.key("checkpoint.interval")
                    .durationType()
                    .defaultValue(Duration.ofSeconds(5))
                    .withDescription(
                            "Time between checkpoints; with exactly-once also the time until"
                                    + " results are seen.");

    public static final ConfigOption<String> CHECKPOINT_DIRECTORY =
            ConfigOptions.key("checkpoint.directory")
                    .stringType()
                    .noDefaultValue()
                    .withDescription(
                            "Where checkpoints are kept; Flink's own"
                                    + " execution.checkpointing.dir where it is not set.");

    public static final ConfigOption<Integer> PARALLELISM =
            ConfigOptions.key("parallelism")
                    .intType()
                    .noDefaultValue()
                    .withDescription(
                            "Subtasks of every operator; the environment's own where it is not set."
                                    + " Subtasks of one TaskManager share the model, so it need not"
                                    + " be high.");

    public static final ConfigOption<String> JOB_NAME =
            ConfigOptions.key("job.name")
                    .stringType()
                    .defaultValue("streamformer")
                    .withDescription("The job's name in Flink's web UI.");

    private final Configuration configuration;

    private JobOptions(Configuration configuration) {
        this.configuration = configuration;
    }

    /**
     * Options from a configuration.
     *
     * @throws IllegalArgumentException in one line, if a key is unknown, a value cannot be read or
     *     options do not go together
     */
    public static JobOptions of(Configuration configuration) {
        JobOptions options = new JobOptions(new Configuration(configuration));
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

    /** Every option, in the order of their declaration. */
    public static List<ConfigOption<?>> all() {
        return OptionsText.declared().stream().<ConfigOption<?>>map(o -> o.option()).toList();
    }

    /** The manual of the command line. */
    public static String help() {
        return OptionsText.help();
    }

    /** The option's value, or its default; null where there is neither. */
    public <T> T get(ConfigOption<T> option) {
        return configuration.get(option);
    }

    <T> Optional<T> find(ConfigOption<T> option) {
        return configuration.getOptional(option);
    }

    Configuration configuration() {
        return configuration;
    }

    /** The options as they hold for one bundle. */
    JobOptions forBundle(String name) {
        String own = MODEL_PREFIX + name + ".";
        Configuration merged = new Configuration(configuration);
        configuration
                .toMap()
                .forEach(
                        (key, value) -> {
                            if (key.startsWith(own)) {
                                merged.setString(MODEL_PREFIX + key.substring(own.length()), value);
                            }
                        });
        return new JobOptions(merged);
    }

    /** How a bundle is run under these options. */
    PipelineOptions pipeline() {
        return PipelineOptions.builder()
                .variant(get(VARIANT))
                .device(Device.parse(get(DEVICE)))
                .maxBatchRows(get(BATCH_MAX_ROWS))
                .maxBatchTokens(get(BATCH_MAX_TOKENS))
                .maxDelay(get(BATCH_MAX_DELAY))
                .maxBatchTime(get(BATCH_MAX_TIME))
                .runThreads(get(RUN_THREADS))
                .intraOpThreads(get(INTRA_OP_THREADS))
                .numBeams(get(NUM_BEAMS))
                .numReturnSequences(get(NUM_RETURN_SEQUENCES))
                .lengthPenalty(get(LENGTH_PENALTY))
                .minNewTokens(get(MIN_NEW_TOKENS))
                .maxNewTokens(get(MAX_NEW_TOKENS))
                .repetitionPenalty(get(REPETITION_PENALTY))
                .noRepeatNgramSize(get(NO_REPEAT_NGRAM_SIZE))
                .suppressTokens(get(SUPPRESS_TOKENS))
                .temperature(get(TEMPERATURE))
                .topK(get(TOP_K))
                .topP(get(TOP_P))
                .cacheBytes(get(CACHE_MAX_BYTES).getBytes())
                .providerOptions(get(PROVIDER_OPTIONS))
                .build();
    }

    String transactionPrefix() {
        return find(TRANSACTION_PREFIX).orElseGet(() -> "streamformer-" + get(INPUT_GROUP_ID));
    }

    /** Collects options; what is not set keeps its default. */
    public static final class Builder {
        private final Configuration configuration = new Configuration();

        private Builder() {}

        public <T> Builder set(ConfigOption<T> option, T value) {
            configuration.set(option, value);
            return this;
        }

        /** Sets an option by its key: for those of one bundle, {@code model.<bundle name>.x}. */
        public Builder set(String key, String value) {
            configuration.setString(key, value);
            return this;
        }

        /** The options, checked as {@link JobOptions#of} does. */
        public JobOptions build() {
            return of(configuration);
        }
    }
}
