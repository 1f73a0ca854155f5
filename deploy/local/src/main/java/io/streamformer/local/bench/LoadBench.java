package io.streamformer.local.bench;

import io.streamformer.bundle.Bundle;
import io.streamformer.bundle.Task;
import io.streamformer.engine.InferencePipeline;
import io.streamformer.inference.ModelInput;
import io.streamformer.local.DemoBundles;
import io.streamformer.local.DemoTasks;
import io.streamformer.local.UserFiles;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import org.HdrHistogram.ConcurrentHistogram;
import org.HdrHistogram.Histogram;
import org.apache.flink.connector.base.DeliveryGuarantee;

/** The open loop: what an answer takes at shares of the rate that the closed loop sustains. */
final class LoadBench {

    /** What the turns before the loads take at most; loads may take longer. */
    private static final int CLOSED_LOOP_SECONDS = 20;

    private static final double WARM_UP_LOAD = 0.5;

    private final BenchStage stage;
    private final DemoBundles bundles;
    private final List<Double> loads;
    private final int seconds;
    private final int parallelism;
    private final Path picture;

    /**
     * A benchmark.
     *
     * @param loads shares of the sustained rate, ascending
     * @param picture where the curves are drawn; null for nowhere
     */
    LoadBench(
            BenchStage stage,
            DemoBundles bundles,
            List<Double> loads,
            int seconds,
            int parallelism,
            Path picture) {
        this.stage = stage;
        this.bundles = bundles;
        this.loads = List.copyOf(loads);
        this.seconds = seconds;
        this.parallelism = parallelism;
        this.picture = picture;
    }

    void run() throws Exception {
        List<LoadCurve> curves = new ArrayList<>();
        for (Map.Entry<Task, Path> bundle : bundles.folders().entrySet()) {
            curves.add(run(bundle.getKey(), bundle.getValue()));
        }
        if (picture != null) {
            try (OutputStream out = UserFiles.write("--picture", picture)) {
                out.write(LoadPicture.svg(curves).getBytes(StandardCharsets.UTF_8));
            }
        }
        stage.memory("a session per bundle");
    }

    private LoadCurve run(Task task, Path folder) throws Exception {
        Histogram fullBatches = new ConcurrentHistogram(3);
        int count;
        String device;
        try (RawCeiling raw = new RawCeiling(Bundle.read(folder), stage.options())) {
            count = stage.textsIn(Math.min(seconds, CLOSED_LOOP_SECONDS), raw);
            List<ModelInput> texts = raw.tokenize(stage.texts(count));
            stage.screen().status("  full batches…");
            raw.run(texts, fullBatches::recordValue);
            device = raw.device();
        }
        try (InferencePipeline pipeline = InferencePipeline.acquire(folder, stage.options())) {
            String name = BenchStage.nameOf(pipeline);
            String topic = "bench-events-" + DemoTasks.label(task);
            BenchJob job =
                    BenchJob.closedLoop(
                            topic,
                            task,
                            pipeline.bundle().manifest().name(),
                            folder,
                            stage.options(),
                            parallelism);
            stage.screen().status("  closed loop…");
            stage.preload(topic, parallelism, count);
            stage.jobs().run(job, List.of(pipeline), count);
            Turn sustained = stage.jobs().run(job, List.of(pipeline), count);
            double fullBatchMillis = fullBatches.getValueAtPercentile(50) / 1e6;
            stage.screen().clearStatus();
            stage.title(name + " on " + device);
            LoadReport report = new LoadReport(name, stage);
            stage.warnIfTooShort(job, count, "--seconds");
            report.head(sustained, fullBatchMillis);
            LoadCurve curve =
                    new LoadCurve(
                            name,
                            sustained.textsPerSecond(),
                            fullBatchMillis,
                            measure(
                                    report,
                                    job,
                                    DeliveryGuarantee.AT_LEAST_ONCE,
                                    loads,
                                    sustained.textsPerSecond(),
                                    pipeline));
            measure(
                    report,
                    job,
                    DeliveryGuarantee.EXACTLY_ONCE,
                    List.of(LoadCurve.half(loads)),
                    sustained.textsPerSecond(),
                    pipeline);
            report.summary(curve);
            return curve;
        }
    }

    /** Single events take other ways through the code than those that are ready. */
    private int warmUp() {
        return Math.max(1, seconds / 2);
    }

    /** One job, and all loads on it. */
    private List<LoadPoint> measure(
            LoadReport report,
            BenchJob closedLoop,
            DeliveryGuarantee delivery,
            List<Double> shares,
            double sustained,
            InferencePipeline pipeline)
            throws Exception {
        boolean exactlyOnce = delivery == DeliveryGuarantee.EXACTLY_ONCE;
        BenchJob job = closedLoop.endless(closedLoop.events() + "-" + delivery.name(), delivery);
        stage.preload(job.events(), parallelism, 0);
        Iterator<String> texts = stage.mix();
        List<LoadPoint> points = new ArrayList<>();
        try (JobTurn.Started started = stage.jobs().start(job);
                OpenLoop loop =
                        new OpenLoop(
                                stage.bootstrapServers(),
                                job.events(),
                                started,
                                () -> DeviceWork.of(List.of(pipeline)))) {
            started.job().awaitRunning();
            stage.screen().status("  warm-up…");
            loop.run(WARM_UP_LOAD, exactlyOnce, WARM_UP_LOAD * sustained, warmUp(), texts);
            for (double share : shares) {
                stage.screen().status("  load " + share + "…");
                LoadPoint point = loop.run(share, exactlyOnce, share * sustained, seconds, texts);
                stage.screen().clearStatus();
                report.point(point, seconds);
                points.add(point);
            }
        }
        return points;
    }
}
