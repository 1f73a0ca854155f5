package io.streamformer.job;

import io.streamformer.bundle.BundleException;
import io.streamformer.bundle.Manifest;
import io.streamformer.flink.Inference;
import io.streamformer.flink.Outcome;
import io.streamformer.flink.Streamformer;
import io.streamformer.flink.Traced;
import io.streamformer.flink.bundle.BundleFiles;
import io.streamformer.flink.state.RecordTypeInfo;
import io.streamformer.flink.task.TaskRecords;
import io.streamformer.job.kafka.KafkaOptions;
import io.streamformer.job.kafka.KafkaTopics;
import io.streamformer.job.kafka.RecordSizeLimit;
import io.streamformer.options.Options;
import io.streamformer.schemas.DeadLetter;
import io.streamformer.schemas.TextEvent;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.avro.specific.SpecificRecordBase;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.PipelineOptions;
import org.apache.flink.core.execution.CheckpointingMode;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

/**
 * The ready-made job: one topic of events, one step per bundle, one topic of results per bundle and
 * one of dead letters for all.
 */
public final class StreamformerJob {

    private StreamformerJob() {}

    /** Runs the job that the options describe; {@code --help} lists them. */
    public static void main(String[] args) throws Exception {
        if (Arrays.asList(args).contains("--help")) {
            System.out.println(JobOptions.help());
            return;
        }
        StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment();
        try {
            build(env, JobOptions.fromArgs(args));
        } catch (IllegalArgumentException | BundleException e) {
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
            JobRules.checkFits(own, manifest);
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
        KafkaTopics topics = new KafkaTopics(options.values());
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
        long maxBytes = options.get(KafkaOptions.MAX_RECORD_BYTES);
        deadLetters
                .map(
                        letter -> RecordSizeLimit.fit(letter, maxBytes),
                        RecordTypeInfo.traced(DeadLetter.class))
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
        RecordSizeLimit<T> limit =
                new RecordSizeLimit<>(
                        task.recordClass(),
                        route.task().id(),
                        own.get(KafkaOptions.MAX_RECORD_BYTES));
        Inference<T> sized =
                Inference.split(
                        inference
                                .tracedResults()
                                .process(limit, RecordTypeInfo.outcome(task.recordClass()))
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

    private static void configure(StreamExecutionEnvironment env, JobOptions options) {
        Configuration configuration = new Configuration();
        // A type that would fall to Kryo fails here and not in somebody's savepoint.
        configuration.set(PipelineOptions.GENERIC_TYPES, false);
        configuration.set(PipelineOptions.NAME, options.get(JobOptions.JOB_NAME));
        options.find(JobOptions.CHECKPOINT_DIRECTORY)
                .ifPresent(
                        folder ->
                                configuration.set(
                                        CheckpointingOptions.CHECKPOINTS_DIRECTORY, folder));
        env.configure(configuration);
        env.enableCheckpointing(
                options.get(JobOptions.CHECKPOINT_INTERVAL).toMillis(),
                CheckpointingMode.EXACTLY_ONCE);
        options.find(JobOptions.PARALLELISM).ifPresent(env::setParallelism);
    }
}
