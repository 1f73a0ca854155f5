package io.streamformer.local.demo;

import io.streamformer.bundle.DecodingOptions;
import io.streamformer.bundle.Task;
import io.streamformer.engine.InferencePipeline;
import io.streamformer.engine.ModelOptions;
import io.streamformer.inference.Device;
import io.streamformer.job.BundleRoute;
import io.streamformer.job.JobOptions;
import io.streamformer.job.StreamformerJob;
import io.streamformer.job.kafka.KafkaOptions;
import io.streamformer.local.Causes;
import io.streamformer.local.DemoBundles;
import io.streamformer.local.DemoTasks;
import io.streamformer.local.EmbeddedKafka;
import io.streamformer.local.LineSource;
import io.streamformer.local.LocalCluster;
import io.streamformer.local.LocalSteps;
import io.streamformer.local.RunningJob;
import io.streamformer.local.Screen;
import io.streamformer.local.Topics;
import io.streamformer.local.UsageException;
import io.streamformer.options.Options;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ExecutionException;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.kafka.common.KafkaException;

/** One run of the demo: brings everything up, sends the lines, shows what comes back, ends. */
final class Demo {

    /** Of topics that have to be made in somebody's Kafka. */
    private static final int PARTITIONS = 4;

    private static final Duration PLAIN_TOTALS_EVERY = Duration.ofSeconds(10);

    /**
     * What the user chose.
     *
     * @param bootstrapServers null starts a broker here
     * @param beams null takes the bundle's
     */
    record Settings(
            DemoBundles bundles,
            String bootstrapServers,
            Topics topics,
            int parallelism,
            Device device,
            Integer beams,
            Duration checkpointInterval) {}

    private final Settings settings;
    private final LineSource source;
    private final ResultWriter writer;
    private final Screen screen;
    private final boolean typed;
    private long plainTotalsAtNanos = System.nanoTime();

    /**
     * A demo.
     *
     * @param writer null prints the events
     * @param typed whether the lines come from the standard input
     */
    Demo(Settings settings, LineSource source, ResultWriter writer, Screen screen, boolean typed) {
        this.settings = settings;
        this.source = source;
        this.writer = writer;
        this.screen = screen;
        this.typed = typed;
    }

    /** Returns the exit code. */
    int run() throws Exception {
        if (settings.bootstrapServers() != null) {
            // Before anything that takes long: an address is easily mistyped.
            screen.step(
                    "Looking for Kafka at " + settings.bootstrapServers(),
                    () -> {
                        createTopics(settings.bootstrapServers(), PARTITIONS);
                        return new Screen.Step<>("topics are there", null);
                    });
        }
        List<InferencePipeline> pipelines = new ArrayList<>();
        try {
            for (Map.Entry<Task, Path> bundle : settings.bundles().folders().entrySet()) {
                pipelines.add(load(bundle.getKey(), bundle.getValue()));
            }
            Totals totals = new Totals(pipelines, pipelineOptions().get(ModelOptions.MAX_ROWS));
            boolean own = settings.bootstrapServers() == null;
            try (EmbeddedKafka broker = own ? LocalSteps.startBroker(screen) : null;
                    LocalCluster cluster =
                            LocalSteps.startCluster(settings.parallelism(), screen)) {
                if (own) {
                    createTopics(broker.bootstrapServers(), settings.parallelism());
                }
                answer(
                        own ? broker.bootstrapServers() : settings.bootstrapServers(),
                        own,
                        cluster,
                        totals);
            }
            return 0;
        } finally {
            screen.clearStatus();
            pipelines.forEach(InferencePipeline::close);
        }
    }

    /** A lease of our own: the job joins it, and its counters are the totals. */
    private InferencePipeline load(Task task, Path folder) throws Exception {
        InferencePipeline loaded =
                screen.step(
                        "Loading the " + DemoTasks.label(task) + " model",
                        () -> {
                            InferencePipeline pipeline =
                                    InferencePipeline.acquire(folder, pipelineOptions());
                            return new Screen.Step<>(
                                    pipeline.bundle().manifest().name()
                                            + " "
                                            + pipeline.bundle().manifest().version()
                                            + " "
                                            + pipeline.variant(),
                                    pipeline);
                        });
        String figures = loaded.bundle().variant(loaded.variant()).figures();
        if (!figures.isEmpty()) {
            screen.line("  measured: " + figures);
        }
        return loaded;
    }

    private Options pipelineOptions() {
        return Options.DEFAULTS
                .with(ModelOptions.DEVICE, settings.device())
                .with(DecodingOptions.NUM_BEAMS, settings.beams());
    }

    private void answer(
            String bootstrapServers, boolean ownBroker, LocalCluster cluster, Totals totals)
            throws Exception {
        Topics topics = settings.topics();
        String group = "streamformer-demo-" + UUID.randomUUID();
        topics.skipEvents(bootstrapServers, group);
        StreamExecutionEnvironment environment = cluster.environment();
        StreamformerJob.build(environment, jobOptions(bootstrapServers, ownBroker, group));
        Set<Task> tasks = settings.bundles().folders().keySet();
        try (Exchange exchange =
                        new Exchange(
                                bootstrapServers, topics, tasks, event -> show(event, totals));
                RunningJob job = startJob(cluster, environment)) {
            totals.start();
            if (typed && screen.isTerminal()) {
                screen.line("Type a line and press Enter; Ctrl-D ends.");
            }
            try {
                exchange.run(source, () -> look(job, totals));
            } finally {
                screen.clearStatus();
                screen.line(screen.paint(Screen.Style.BOLD, totals.line()));
            }
        }
    }

    private void createTopics(String bootstrapServers, int partitions) throws Exception {
        try {
            settings.topics().create(bootstrapServers, partitions, Map.of());
        } catch (ExecutionException e) {
            throw new UsageException(
                    "The topics could not be made at "
                            + bootstrapServers
                            + ": "
                            + Causes.of(e)
                            + ". Check --bootstrap-servers and that the broker runs");
        } catch (KafkaException e) {
            throw new UsageException("--bootstrap-servers: " + Causes.of(e));
        }
    }

    private JobOptions jobOptions(String bootstrapServers, boolean ownBroker, String group) {
        Topics topics = settings.topics();
        JobOptions.Builder options =
                JobOptions.builder()
                        .set(KafkaOptions.BOOTSTRAP_SERVERS, bootstrapServers)
                        .set(JobOptions.BUNDLES, settings.bundles().paths())
                        .set(KafkaOptions.INPUT_TOPIC, topics.events())
                        .set(KafkaOptions.INPUT_GROUP_ID, group)
                        .set(KafkaOptions.DEAD_LETTER_TOPIC, topics.deadLetters())
                        .set(ModelOptions.DEVICE, settings.device())
                        .set(JobOptions.PARALLELISM, settings.parallelism())
                        .set(JobOptions.CHECKPOINT_INTERVAL, settings.checkpointInterval())
                        // What Ctrl-C leaves open must not hold up other readers for long.
                        .set(KafkaOptions.TRANSACTION_TIMEOUT, Duration.ofMinutes(1))
                        .set(JobOptions.JOB_NAME, "streamformer demo");
        if (settings.beams() != null) {
            options.set(DecodingOptions.NUM_BEAMS, settings.beams());
        }
        if (ownBroker) {
            options.set(KafkaOptions.MAX_RECORD_BYTES, (long) EmbeddedKafka.MAX_RECORD_BYTES);
        }
        for (BundleRoute route : StreamformerJob.routes(options.build())) {
            options.set("model." + route.name() + ".results-topic", topics.resultsOf(route.task()));
        }
        return options.build();
    }

    private RunningJob startJob(LocalCluster cluster, StreamExecutionEnvironment environment)
            throws Exception {
        return screen.step(
                "Starting the job",
                () -> {
                    RunningJob job = cluster.submit(environment);
                    try {
                        job.awaitRunning();
                    } catch (Exception e) {
                        job.close();
                        throw e;
                    }
                    return new Screen.Step<>(
                            cluster.webAddress() + "/#/job/running/" + job.id(), job);
                });
    }

    private void show(AnsweredEvent event, Totals totals) throws IOException {
        totals.add(event);
        if (writer == null) {
            screen.line(EventBlock.of(event, screen));
        } else {
            writer.write(event);
        }
    }

    private void look(RunningJob job, Totals totals) {
        if (job.hasEnded()) {
            throw new IllegalStateException(
                    "The job ended: "
                            + job.failure().map(Causes::of).orElse("somebody cancelled it"),
                    job.failure().orElse(null));
        }
        if (typed) {
            return;
        }
        screen.status(totals.line());
        if (!screen.isTerminal()
                && totals.events() > 0
                && System.nanoTime() - plainTotalsAtNanos > PLAIN_TOTALS_EVERY.toNanos()) {
            plainTotalsAtNanos = System.nanoTime();
            screen.line(totals.line());
        }
    }
}
