package io.streamformer.local.bench;

import io.streamformer.bundle.Bundle;
import io.streamformer.bundle.Task;
import io.streamformer.engine.InferencePipeline;
import io.streamformer.flink.StepOptions;
import io.streamformer.local.DemoBundles;
import io.streamformer.local.DemoTasks;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.apache.flink.connector.base.DeliveryGuarantee;

/** Every parallelism with every number of bundles in one job, in turn. */
final class ScaleBench {

    private final BenchStage stage;
    private final DemoBundles bundles;
    private final List<Integer> parallelism;
    private final List<Integer> counts;
    private final int seconds;
    private final int rounds;

    /**
     * A benchmark.
     *
     * @param counts numbers of bundles in one job
     */
    ScaleBench(
            BenchStage stage,
            DemoBundles bundles,
            List<Integer> parallelism,
            List<Integer> counts,
            int seconds,
            int rounds) {
        this.stage = stage;
        this.bundles = bundles;
        this.parallelism = List.copyOf(parallelism);
        this.counts = List.copyOf(counts);
        this.seconds = seconds;
        this.rounds = rounds;
    }

    void run() throws Exception {
        for (Map.Entry<Task, Path> bundle : bundles.folders().entrySet()) {
            run(bundle.getKey(), bundle.getValue());
        }
        stage.memory(Collections.max(counts) + " sessions at a time");
    }

    private void run(Task task, Path folder) throws Exception {
        int answers;
        String device;
        try (RawCeiling raw = new RawCeiling(Bundle.read(folder), stage.options())) {
            answers = stage.textsIn(seconds, raw);
            device = raw.device();
        }
        Map<String, InferencePipeline> pipelines = new LinkedHashMap<>();
        try (BundleCopies copies = new BundleCopies(folder, Collections.max(counts))) {
            // Our leases keep the sessions loaded between the turns.
            for (Map.Entry<String, Path> copy : copies.folders().entrySet()) {
                pipelines.put(
                        copy.getKey(), InferencePipeline.acquire(copy.getValue(), stage.options()));
            }
            for (int count : counts) {
                stage.preload(
                        topic(task, count), Collections.max(parallelism), events(answers, count));
            }
            String name = BenchStage.nameOf(pipelines.values().iterator().next());
            stage.title(name + " on " + device);
            stage.screen().status("  warm-up…");
            turn(task, cells().get(0), copies, pipelines, answers);
            ScaleReport report = new ScaleReport(name, stage);
            for (int round = 1; round <= rounds; round++) {
                for (ScaleReport.Cell cell : cells()) {
                    stage.screen()
                            .status(
                                    String.format(
                                            Locale.ROOT,
                                            "  round %d: parallelism %d, bundles %d…",
                                            round,
                                            cell.parallelism(),
                                            cell.bundles()));
                    report.add(cell, round, turn(task, cell, copies, pipelines, answers));
                }
            }
            report.medians(answers, rounds);
        } finally {
            pipelines.values().forEach(InferencePipeline::close);
        }
    }

    private List<ScaleReport.Cell> cells() {
        return parallelism.stream()
                .flatMap(p -> counts.stream().map(count -> new ScaleReport.Cell(p, count)))
                .toList();
    }

    private Turn turn(
            Task task,
            ScaleReport.Cell cell,
            BundleCopies copies,
            Map<String, InferencePipeline> pipelines,
            int answers)
            throws Exception {
        Map<String, Path> folders = copies.first(cell.bundles());
        BenchJob job =
                new BenchJob(
                        topic(task, cell.bundles()),
                        true,
                        task,
                        folders,
                        stage.options(),
                        StepOptions.LEAST_CAPACITY,
                        StepOptions.ASYNC_ORDER.defaultValue(),
                        cell.parallelism(),
                        DeliveryGuarantee.EXACTLY_ONCE);
        List<InferencePipeline> used = folders.keySet().stream().map(pipelines::get).toList();
        DeviceWork before = DeviceWork.of(used);
        try (JobTurn.Started started = stage.jobs().start(job)) {
            // From the first run on, not from the first result on: results keep the order of the
            // events, and the more are under way the more of them leave at once.
            while (DeviceWork.of(used).since(before).rows() == 0 && !started.job().hasEnded()) {
                TimeUnit.MILLISECONDS.sleep(1);
            }
            long began = System.currentTimeMillis();
            started.job().awaitEnd();
            DeviceWork work = DeviceWork.of(used).since(before);
            return stage.jobs()
                    .read(started, task, events(answers, cell.bundles()) * cell.bundles())
                    .since(began, work);
        }
    }

    /** As many as make the same number of answers, whatever the number of bundles. */
    private static int events(int answers, int bundles) {
        return answers / bundles;
    }

    private static String topic(Task task, int bundles) {
        return "bench-events-" + DemoTasks.label(task) + "-" + bundles;
    }
}
