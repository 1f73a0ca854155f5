package io.streamformer.local.bench;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.streamformer.engine.ModelOptions;
import java.util.Locale;

/** The loads of one bundle: a line per load, the ratio at the end, and all of it as JSON lines. */
final class LoadReport {

    private final String bundle;
    private final BenchStage stage;

    /**
     * A report.
     *
     * @param bundle name, version and variant
     */
    LoadReport(String bundle, BenchStage stage) {
        this.bundle = bundle;
        this.stage = stage;
    }

    /** What the loads will be held against. */
    void head(Turn sustained, double fullBatchMillis) {
        ObjectNode node = BenchStage.node("closed loop").put("bundle", bundle);
        sustained.write(node);
        stage.print(node);
        line(
                "sustained over a topic that is ready: %,.0f/s; one full batch: %.1f ms",
                sustained.textsPerSecond(), fullBatchMillis);
        line(
                "  %-4s %12s %10s %8s %8s %8s %8s %11s",
                "load",
                "offered/s",
                "achieved/s",
                "p50 ms",
                "p99 ms",
                "max ms",
                "padding",
                "batch fill");
    }

    void point(LoadPoint point, int seconds) {
        line(
                "  %4.2f %,12.0f %,10.0f %,8.1f %,8.1f %,8.1f %6.0f %% %9.0f %%%s",
                point.load(),
                point.offered(),
                point.achieved(),
                point.p50(),
                point.p99(),
                point.max(),
                100 * point.work().paddingShare(),
                100 * point.work().rowsPerBatch() / stage.options().get(ModelOptions.MAX_ROWS),
                point.exactlyOnce() ? "  exactly once" : "");
        ObjectNode node = BenchStage.node("load").put("bundle", bundle).put("seconds", seconds);
        point.write(node);
        stage.print(node);
    }

    void summary(LoadCurve curve) {
        line(
                "  p99 at %.2f of the sustained rate is %.2f times one full batch; exactly once adds"
                        + " the wait for a checkpoint, here up to %d ms.",
                curve.atHalf().load(),
                curve.p99InFullBatches(),
                BenchJob.CHECKPOINT_INTERVAL.toMillis());
        stage.print(
                BenchStage.node("load summary")
                        .put("bundle", bundle)
                        .put("sustained_per_second", curve.sustained())
                        .put("full_batch_ms", curve.fullBatchMillis())
                        .put("load", curve.atHalf().load())
                        .put("p99_in_full_batches", curve.p99InFullBatches()));
    }

    private void line(String format, Object... values) {
        stage.screen().line(String.format(Locale.ROOT, format, values));
    }
}
