package io.streamformer.job;

import io.streamformer.bundle.Manifest;
import io.streamformer.flink.Inference;
import io.streamformer.flink.Outcome;
import io.streamformer.flink.RuntimeJar;
import io.streamformer.flink.Streamformer;
import io.streamformer.flink.Traced;
import io.streamformer.flink.bundle.BundleFiles;
import io.streamformer.flink.state.RecordTypeInfo;
import io.streamformer.flink.task.TaskRecords;
import io.streamformer.job.kafka.BrokerCheck;
import io.streamformer.job.kafka.DeadLetterLimits;
import io.streamformer.job.kafka.KafkaOptions;
import io.streamformer.job.kafka.KafkaTopics;
import io.streamformer.job.kafka.ResultLimits;
import io.streamformer.options.Option;
import io.streamformer.options.Options;
import io.streamformer.schemas.DeadLetter;
import io.streamformer.schemas.TextEvent;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.apache.avro.specific.SpecificRecordBase;
import org.apache.flink.annotation.Public;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.DeploymentOptions;
import org.apache.flink.configuration.ExternalizedCheckpointRetention;
import org.apache.flink.configuration.HighAvailabilityOptions;
import org.apache.flink.configuration.PipelineOptions;
import org.apache.flink.configuration.ReadableConfig;
import org.apache.flink.configuration.StateRecoveryOptions;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

/**
 * The ready-made job: one topic of events, one step per bundle, one topic of results per bundle and
 * one of dead letters for all.
 */
@Public
public final class StreamformerJob {

    private StreamformerJob() {}

    /** Runs the job that the options describe; {@code --help} lists them. */
    public static void main(String[] args) throws Exception {
        // Before any class of the runtime is loaded: nothing in this class may catch one.
        RuntimeJar.require();
        if (Arrays.asList(args).contains("--help")) {
            System.out.println(JobOptions.help());
            return;
        }
        StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment();
        try {
            JobOptions options = JobOptions.of(env.getConfiguration(), args);
            checkBrokers(env, options, build(env, options));
        } catch (RuntimeException e) {
            System.err.println(e.getMessage());
            // Not System.exit: an application cluster reports the exception as the job's end.
            throw e;
        }
        env.execute();
    }

    /**
     * What the job will do with each bundle. Reads the manifests and checks every rule; no broker
     * is asked.
     */
    public static List<BundleRoute> routes(JobOptions options) {
        List<BundleRoute> routes = new ArrayList<>();
        for (String path : options.get(JobOptions.BUNDLES)) {
            BundleFiles.Described bundle = BundleFiles.of(path).describe();
            Manifest manifest = bundle.manifest();
            Options own = options.forBundle(manifest.name());
            JobRules.checkFits(options, manifest);
            routes.add(
                    new BundleRoute(
                            manifest.name(),
                            manifest.version(),
                            manifest.task(),
                            bundle.reference(),
                            own.find(JobOptions.RESULTS_TOPIC)
                                    .orElse(TaskRecords.of(manifest.task()).defaultTopic())));
        }
        JobRules.checkRoutes(options, routes);
        return routes;
    }

    /**
     * Adds the job to an environment and sets its checkpoints; {@code env.execute()} then runs it.
     */
    public static List<BundleRoute> build(StreamExecutionEnvironment env, JobOptions options) {
        List<BundleRoute> routes = routes(options);
        configure(env, options);
        KafkaTopics topics = topics(options, routes);
        DataStream<Outcome<TextEvent>> records =
                env.fromSource(
                                topics.source(),
                                WatermarkStrategy.noWatermarks(),
                                options.get(KafkaOptions.INPUT_TOPIC))
                        .uid("text-events");
        Inference<TextEvent> events =
                Inference.split(records, TextEvent.class, "text-events-outcomes");
        DataStream<Traced<DeadLetter>> deadLetters = events.tracedDeadLetters();
        for (BundleRoute route : routes) {
            TaskRecords<?> task = TaskRecords.of(route.task());
            deadLetters =
                    deadLetters.union(
                            addBundle(events.tracedResults(), task, route, options, topics));
        }
        deadLetters
                .map(new DeadLetterLimits(options.values()))
                .name("dead-letters-size")
                .uid("dead-letters-size")
                .sinkTo(
                        topics.sink(
                                options.get(KafkaOptions.DEAD_LETTER_TOPIC),
                                DeadLetter.class,
                                "dead-letters"))
                .name(options.get(KafkaOptions.DEAD_LETTER_TOPIC))
                .uid("dead-letters");
        return routes;
    }

    private static KafkaTopics topics(JobOptions options, List<BundleRoute> routes) {
        return new KafkaTopics(
                options.values(),
                routes.stream().map(route -> route.name() + " " + route.resultsTopic()).toList());
    }

    /**
     * Asks the brokers for what would end the job or lose events, before it is submitted: topics,
     * rights, credentials, the longest transaction, and offsets without the state that goes with
     * them. Gives up after {@code default.api.timeout.ms}, by default 15 s.
     *
     * @param routes what {@link #build} gave
     * @throws IllegalArgumentException with all that is wrong, one problem a line
     */
    public static void checkBrokers(
            StreamExecutionEnvironment env, JobOptions options, List<BundleRoute> routes) {
        List<String> problems =
                BrokerCheck.problems(
                        options.values(),
                        topics(options, routes).transactionPrefix(),
                        routes.stream().map(BundleRoute::resultsTopic).toList(),
                        restores(env.getConfiguration()));
        if (!problems.isEmpty()) {
            throw new IllegalArgumentException(String.join("\n", problems));
        }
    }

    /** Whether the job begins with the state of an earlier one. */
    static boolean restores(ReadableConfig configuration) {
        // When a JobManager of an application cluster takes over, it runs main again. The job's
        // state then comes from the high-availability store, and no path says so.
        boolean takesOver =
                configuration.getOptional(DeploymentOptions.TARGET).equals(Optional.of("embedded"))
                        && !configuration
                                .get(HighAvailabilityOptions.HA_MODE)
                                .equalsIgnoreCase("NONE");
        return takesOver
                || configuration.getOptional(StateRecoveryOptions.SAVEPOINT_PATH).isPresent();
    }

    /** Adds a bundle's step and its sink; gives its dead letters. */
    private static <T extends SpecificRecordBase> DataStream<Traced<DeadLetter>> addBundle(
            DataStream<Traced<TextEvent>> events,
            TaskRecords<T> task,
            BundleRoute route,
            JobOptions options,
            KafkaTopics topics) {
        Options own = options.forBundle(route.name());
        Inference<T> inference =
                Streamformer.of(task, route.bundle().uri())
                        .pinnedTo(route.bundle())
                        .with(own)
                        .uid(route.name())
                        .applyTraced(events);
        String uid = route.name() + "-results";
        ResultLimits<T> limits =
                new ResultLimits<>(
                        task.recordClass(), route.task().id(), route.resultsTopic(), own);
        Inference<T> sized =
                Inference.split(
                        inference
                                .tracedResults()
                                .process(limits, RecordTypeInfo.outcome(task.recordClass()))
                                .name(uid + "-size")
                                .uid(uid + "-size"),
                        task.recordClass(),
                        uid + "-outcomes");
        sized.tracedResults()
                .sinkTo(topics.sink(route.resultsTopic(), task.recordClass(), route.name()))
                .name(route.resultsTopic())
                .uid(uid);
        return inference.tracedDeadLetters().union(sized.tracedDeadLetters());
    }

    /** Sets what the options give, and our defaults where the environment has no setting. */
    private static void configure(StreamExecutionEnvironment env, JobOptions options) {
        ReadableConfig users = env.getConfiguration();
        Configuration ours = new Configuration();
        // A type that would fall to Kryo fails here and not in somebody's savepoint.
        set(ours, PipelineOptions.GENERIC_TYPES, false, users);
        // A job that was cancelled or has failed goes on from its last checkpoint.
        set(
                ours,
                CheckpointingOptions.EXTERNALIZED_CHECKPOINT_RETENTION,
                ExternalizedCheckpointRetention.RETAIN_ON_CANCELLATION,
                users);
        set(ours, PipelineOptions.NAME, options, JobOptions.JOB_NAME, users);
        set(
                ours,
                CheckpointingOptions.CHECKPOINTING_INTERVAL,
                options,
                JobOptions.CHECKPOINT_INTERVAL,
                users);
        options.find(JobOptions.CHECKPOINT_DIRECTORY)
                .ifPresent(folder -> ours.set(CheckpointingOptions.CHECKPOINTS_DIRECTORY, folder));
        env.configure(ours);
        options.find(JobOptions.PARALLELISM).ifPresent(env::setParallelism);
        JobRules.checkTransactions(
                options, Duration.ofMillis(env.getCheckpointConfig().getCheckpointInterval()));
    }

    private static <T> void set(
            Configuration ours,
            ConfigOption<T> flinks,
            JobOptions options,
            Option<T> option,
            ReadableConfig users) {
        if (options.isGiven(option)) {
            ours.set(flinks, options.get(option));
        } else {
            set(ours, flinks, options.get(option), users);
        }
    }

    private static <T> void set(
            Configuration ours, ConfigOption<T> option, T value, ReadableConfig users) {
        if (users.getOptional(option).isEmpty()) {
            ours.set(option, value);
        }
    }
}
