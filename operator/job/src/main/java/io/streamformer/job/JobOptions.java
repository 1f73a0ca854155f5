package io.streamformer.job;

import static io.streamformer.options.Option.Scope.JOB;
import static io.streamformer.options.Option.Scope.ROUTE;
import static io.streamformer.options.OptionType.DURATION;
import static io.streamformer.options.OptionType.INTEGER;
import static io.streamformer.options.OptionType.STRING;
import static io.streamformer.options.OptionType.STRINGS;

import io.streamformer.bundle.DecodingOptions;
import io.streamformer.engine.ModelOptions;
import io.streamformer.flink.StepOptions;
import io.streamformer.job.kafka.KafkaOptions;
import io.streamformer.options.Option;
import io.streamformer.options.Options;
import java.time.Duration;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import org.apache.flink.annotation.Public;
import org.apache.flink.configuration.ReadableConfig;

/**
 * The options of {@link StreamformerJob}: {@link KafkaOptions}, those declared here, {@link
 * StepOptions}, {@link ModelOptions} and {@link DecodingOptions}. An option {@code model.x} holds
 * for every bundle, {@code model.<bundle name>.x} for one.
 */
@Public
public final class JobOptions {

    private static final Duration SHORTEST_CHECKPOINT_INTERVAL = Duration.ofMillis(10);

    public static final Option<List<String>> BUNDLES =
            Option.named("bundles", JOB, STRINGS)
                    .defaultsTo(List.of())
                    .help(
                            "Paths of the bundles to run, with semicolons between, or repeat the"
                                    + " option. Any file system of Flink works if the client and"
                                    + " every TaskManager can read it. Required.");

    public static final Option<String> RESULTS_TOPIC =
            Option.named("results-topic", ROUTE, STRING)
                    .help(
                            "Topic of a bundle's results. Default by task: text-sentiment"
                                    + " (text-classification), text-entities, text-answers,"
                                    + " text-embeddings, text-translations, text-summaries or"
                                    + " text-generations (text2text-generation and"
                                    + " text-generation). Two bundles need two topics.");

    public static final Option<Duration> CHECKPOINT_INTERVAL =
            Option.named("checkpoint.interval", JOB, DURATION)
                    .defaultsTo(Duration.ofSeconds(5))
                    .check(
                            "at least 10 ms",
                            value -> value.compareTo(SHORTEST_CHECKPOINT_INTERVAL) >= 0)
                    .help(
                            "Time between checkpoints. With exactly-once, results become visible at"
                                    + " each. Flink's execution.checkpointing.interval holds where"
                                    + " this is not set.");

    public static final Option<String> CHECKPOINT_DIRECTORY =
            Option.named("checkpoint.directory", JOB, STRING)
                    .help(
                            "Where checkpoints are kept, also after the job was cancelled or has"
                                    + " failed. Default: Flink's execution.checkpointing.dir.");

    public static final Option<Integer> PARALLELISM =
            Option.named("parallelism", JOB, INTEGER)
                    .check("at least 1", value -> value >= 1)
                    .help(
                            "Subtasks of every operator. Subtasks of one TaskManager share the"
                                    + " model, so it need not be high. Default: Flink's.");

    public static final Option<String> JOB_NAME =
            Option.named("job.name", JOB, STRING)
                    .defaultsTo("streamformer")
                    .help(
                            "The job's name in Flink's web UI. Flink's pipeline.name holds where"
                                    + " this is not set.");

    /** Every option, in the order of their declaration. */
    public static final List<Option<?>> ALL =
            Option.declaredIn(
                    KafkaOptions.class,
                    JobOptions.class,
                    StepOptions.class,
                    ModelOptions.class,
                    DecodingOptions.class);

    /** What keys may have in front; in Flink's configuration they must. */
    public static final String PREFIX = "streamformer.";

    /** As they were given, by key. */
    private final SortedMap<String, String> given;

    private final Options values;

    private JobOptions(SortedMap<String, String> given) {
        this.given = Collections.unmodifiableSortedMap(new TreeMap<>(given));
        values = JobKeys.read(given, null);
    }

    /**
     * Options by their keys, with or without {@link #PREFIX}: such as a SQL {@code WITH} clause
     * has.
     *
     * @throws IllegalArgumentException in one line, if a key is unknown, a value cannot be read or
     *     options do not go together
     */
    public static JobOptions of(Map<String, String> given) {
        JobOptions options = new JobOptions(JobKeys.withoutPrefix(given));
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

    /**
     * Options from Flink's configuration, whose keys have {@link #PREFIX} in front, and from a
     * command line, which goes first.
     *
     * @throws IllegalArgumentException in one line, as {@link #of}
     */
    public static JobOptions of(ReadableConfig configuration, String... args) {
        Map<String, String> prefixed = new TreeMap<>(configuration.toMap());
        prefixed.keySet().removeIf(key -> !key.startsWith(PREFIX));
        SortedMap<String, String> given = JobKeys.withoutPrefix(prefixed);
        given.putAll(JobKeys.withoutPrefix(OptionsText.parse(args)));
        return of(given);
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

    /** Whether a value was given, if only the default's. */
    boolean isGiven(Option<?> option) {
        return given.containsKey(option.key());
    }

    <T> Optional<T> find(Option<T> option) {
        return values.find(option);
    }

    /** As they were given, by key. */
    SortedMap<String, String> given() {
        return given;
    }

    /** The values that hold for the job as a whole. */
    Options values() {
        return values;
    }

    /** The options as they hold for one bundle. */
    Options forBundle(String name) {
        return JobKeys.read(given, name);
    }

    /** Collects options; what is not set keeps its default. */
    public static final class Builder {
        private final TreeMap<String, String> given = new TreeMap<>();

        private Builder() {}

        public <T> Builder set(Option<T> option, T value) {
            given.put(option.key(), option.type().write(value));
            return this;
        }

        /**
         * Sets an option by its key: for an option of one bundle, {@code model.<bundle name>.x}.
         */
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
