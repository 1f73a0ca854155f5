package io.streamformer.local.bench;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.streamformer.bundle.Bundle;
import io.streamformer.flink.JobOptions;
import io.streamformer.local.DemoBundles;
import io.streamformer.local.DemoTask;
import io.streamformer.local.Screen;
import io.streamformer.pipeline.InferencePipeline;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.apache.flink.connector.base.DeliveryGuarantee;

/** Every parallelism with every number of bundles in one job, in turn. */
final class ScaleBench {

    /** A place in the matrix. */
    private record Cell(int parallelism, int bundles) {}

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
        for (Map.Entry<DemoTask, Path> bundle : bundles.folders().entrySet()) {
            run(bundle.getKey(), bundle.getValue());
        }
        stage.memory(Collections.max(counts) + " sessions at a time");
    }

    private void run(DemoTask task, Path folder) throws Exception {
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
            Map<Cell, List<Double>> rates = new LinkedHashMap<>();
            for (int round = 1; round <= rounds; round++) {
                for (Cell cell : cells()) {
                    stage.screen()
                            .status(
                                    String.format(
                                            Locale.ROOT,
                                            "  round %d: parallelism %d, bundles %d…",
                                            round,
                                            cell.parallelism(),
                                            cell.bundles()));
                    Turn turn = turn(task, cell, copies, pipelines, answers);
                    rates.computeIfAbsent(cell, unused -> new ArrayList<>())
                            .add(turn.textsPerSecond());
                    print(name, cell, round, turn);
                }
            }
            report(name, answers, rates);
        } finally {
            pipelines.values().forEach(InferencePipeline::close);
        }
    }

    private List<Cell> cells() {
        return parallelism.stream()
                .flatMap(p -> counts.stream().map(count -> new Cell(p, count)))
                .toList();
    }

    private Turn turn(
            DemoTask task,
            Cell cell,
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
                        JobOptions.ASYNC_CAPACITY.defaultValue(),
                        JobOptions.ASYNC_ORDER.defaultValue(),
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

    private static String topic(DemoTask task, int bundles) {
        return "bench-events-" + task.label() + "-" + bundles;
    }

    private void print(String bundle, Cell cell, int round, Turn turn) {
        ObjectNode node =
                BenchStage.node("scale")
                        .put("bundle", bundle)
                        .put("parallelism", cell.parallelism())
                        .put("bundles", cell.bundles())
                        .put("round", round);
        turn.write(node);
        stage.print(node);
    }

    private void report(String bundle, int answers, Map<Cell, List<Double>> rates) {
        Map<Cell, Double> medians = new LinkedHashMap<>();
        rates.forEach((cell, own) -> medians.put(cell, BenchReport.median(own)));
        double best = Collections.max(medians.values());
        Screen screen = stage.screen();
        screen.clearStatus();
        screen.line(
                String.format(
                        Locale.ROOT,
                        "%,d answers a turn; answers/s and their share of the best; medians of %d"
                                + " rounds",
                        answers,
                        rounds));
        StringBuilder line = new StringBuilder("  parallelism");
        counts.forEach(
                count ->
                        line.append(
                                String.format(
                                        Locale.ROOT,
                                        "%16s",
                                        count == 1 ? "1 bundle" : count + " bundles")));
        screen.line(line.toString());
        for (int p : parallelism) {
            line.setLength(0);
            line.append(String.format(Locale.ROOT, "  %11d", p));
            for (int count : counts) {
                double rate = medians.get(new Cell(p, count));
                line.append(String.format(Locale.ROOT, " %,8.0f (%.2f)", rate, rate / best));
                stage.print(
                        BenchStage.node("scale median")
                                .put("bundle", bundle)
                                .put("parallelism", p)
                                .put("bundles", count)
                                .put("answers_per_second", rate)
                                .put("of_the_best", rate / best));
            }
            screen.line(line.toString());
        }
    }
}
