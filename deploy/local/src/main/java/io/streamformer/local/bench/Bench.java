package io.streamformer.local.bench;

import io.streamformer.bundle.Bundle;
import io.streamformer.bundle.Task;
import io.streamformer.engine.InferencePipeline;
import io.streamformer.engine.ModelOptions;
import io.streamformer.flink.Order;
import io.streamformer.inference.ModelInput;
import io.streamformer.local.DemoBundles;
import io.streamformer.local.DemoTasks;
import io.streamformer.local.Screen;
import io.streamformer.options.Options;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** The closed loop: raw ceiling, job, and job without batches in turn, over the same texts. */
final class Bench {

    private final BenchStage stage;
    private final DemoBundles bundles;
    private final List<BenchMode> modes;
    private final Integer records;
    private final int seconds;
    private final int rounds;
    private final int parallelism;

    /**
     * A benchmark.
     *
     * @param modes what takes turns
     * @param records texts per turn; null takes as many as the seconds need
     */
    Bench(
            BenchStage stage,
            DemoBundles bundles,
            List<BenchMode> modes,
            Integer records,
            int seconds,
            int rounds,
            int parallelism) {
        this.stage = stage;
        this.bundles = bundles;
        this.modes = modes;
        this.records = records;
        this.seconds = seconds;
        this.rounds = rounds;
        this.parallelism = parallelism;
    }

    void run() throws Exception {
        for (Map.Entry<Task, Path> bundle : bundles.folders().entrySet()) {
            run(bundle.getKey(), bundle.getValue());
        }
        stage.memory("a second session per bundle for the ceiling and two for single calls");
    }

    private void run(Task task, Path folder) throws Exception {
        Bundle bundle = Bundle.read(folder);
        Options batched = stage.options();
        Options single = batched.with(ModelOptions.MAX_ROWS, 1);
        Options map =
                single.with(ModelOptions.RUN_THREADS, 1)
                        .with(
                                ModelOptions.INTRA_OP_THREADS,
                                Runtime.getRuntime().availableProcessors());
        // Our leases keep the sessions loaded between the turns.
        try (RawCeiling raw = new RawCeiling(bundle, batched);
                InferencePipeline shared = InferencePipeline.acquire(folder, batched);
                InferencePipeline alone = acquireFor(BenchMode.SINGLE, folder, single);
                InferencePipeline mapped = acquireFor(BenchMode.MAP, folder, map)) {
            int count = records == null ? stage.textsIn(seconds, raw) : records;
            List<ModelInput> tokenized = raw.tokenize(stage.texts(count));
            String topic = "bench-events-" + DemoTasks.label(task);
            stage.preload(topic, parallelism, count);
            String name = BenchStage.nameOf(shared);
            stage.title(name + " on " + raw.device());
            Screen screen = stage.screen();
            screen.line(BenchStage.lengths(tokenized) + "; medians of " + rounds + " rounds");
            BenchReport report = new BenchReport(name, modes, stage);
            JobTurn jobs = stage.jobs();
            BenchJob job =
                    BenchJob.closedLoop(
                            topic, task, bundle.manifest().name(), folder, batched, parallelism);
            // Large batches need more events under way than a job's default.
            job = job.with(batched, Math.max(job.capacity(), shared.minimumCapacity()));
            stage.warnIfTooShort(job, count, "--records, --seconds");
            screen.status("  warm-up…");
            jobs.run(job, List.of(shared), count);
            for (int round = 1; round <= rounds; round++) {
                for (BenchMode mode : modes) {
                    screen.status("  round " + round + ": " + mode.label() + "…");
                    Turn turn =
                            switch (mode) {
                                case RAW -> raw.run(tokenized);
                                case END_TO_END -> jobs.run(job, List.of(shared), count);
                                case KEY_ORDER ->
                                        jobs.run(job.with(Order.KEY), List.of(shared), count);
                                case NO_ORDER ->
                                        jobs.run(job.with(Order.NONE), List.of(shared), count);
                                case SINGLE ->
                                        jobs.run(
                                                job.with(single, job.capacity()),
                                                List.of(alone),
                                                count);
                                case MAP ->
                                        jobs.run(
                                                job.with(map, mapped.minimumCapacity()),
                                                List.of(mapped),
                                                count);
                            };
                    report.add(mode, round, turn);
                }
                screen.clearStatus();
                report.round(round);
            }
            report.medians();
        }
    }

    /** A lease for a turn; null where the turn is left out. */
    private InferencePipeline acquireFor(BenchMode mode, Path folder, Options options) {
        return modes.contains(mode) ? InferencePipeline.acquire(folder, options) : null;
    }
}
