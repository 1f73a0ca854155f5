package io.streamformer.local.bench;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.streamformer.bundle.Task;
import io.streamformer.engine.InferencePipeline;
import io.streamformer.local.DemoBundles;
import io.streamformer.local.DemoTasks;
import io.streamformer.local.Screen;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;

/** Many records: whether throughput and memory stay as they were after the warm-up. */
final class SoakBench {

    private final BenchStage stage;
    private final DemoBundles bundles;
    private final int records;
    private final int parallelism;

    SoakBench(BenchStage stage, DemoBundles bundles, int records, int parallelism) {
        this.stage = stage;
        this.bundles = bundles;
        this.records = records;
        this.parallelism = parallelism;
    }

    void run() throws Exception {
        for (Map.Entry<Task, Path> bundle : bundles.folders().entrySet()) {
            run(bundle.getKey(), bundle.getValue());
        }
        stage.memory("a session per bundle");
    }

    private void run(Task task, Path folder) throws Exception {
        try (InferencePipeline pipeline = InferencePipeline.acquire(folder, stage.options())) {
            String topic = "bench-events-" + DemoTasks.label(task);
            stage.screen().status("  filling the topic…");
            stage.preload(topic, parallelism, records);
            String name = BenchStage.nameOf(pipeline);
            stage.screen().clearStatus();
            stage.title(name);
            BenchJob job =
                    BenchJob.closedLoop(
                            topic,
                            task,
                            pipeline.bundle().manifest().name(),
                            folder,
                            stage.options(),
                            parallelism);
            stage.screen().status(String.format(Locale.ROOT, "  %,d records…", records));
            JobTurn jobs = stage.jobs();
            try (ResidentMemory memory = new ResidentMemory();
                    JobTurn.Started started = jobs.start(job)) {
                started.job().awaitEnd();
                // Before the results are read: that is no part of the job.
                List<ResidentMemory.Sample> samples = memory.samples();
                report(name, Soak.of(jobs.read(started, task, records), samples));
            }
        }
    }

    private void report(String bundle, Soak soak) {
        Screen screen = stage.screen();
        screen.clearStatus();
        screen.line(String.format(Locale.ROOT, "  %,d records, results/s in each tenth:", records));
        screen.line(
                soak.tenths().stream()
                        .map(rate -> String.format(Locale.ROOT, " %,7.0f", rate))
                        .collect(Collectors.joining()));
        screen.line(
                String.format(
                        Locale.ROOT,
                        "  The last tenth is %.3f of the second, the first after the warm-up.",
                        soak.lastOfFirst()));
        screen.line(
                String.format(
                        Locale.ROOT,
                        "  Resident after the warm-up %,d MB, at the end %,d MB (%+.1f %%), at the"
                                + " most %,d MB (%+.1f %%).",
                        soak.warm() / 1024,
                        soak.end() / 1024,
                        100 * soak.growth(soak.end()),
                        soak.most() / 1024,
                        100 * soak.growth(soak.most())));
        ObjectNode node = BenchStage.node("soak").put("bundle", bundle).put("records", records);
        soak.write(node);
        stage.print(node);
    }
}
