package io.streamformer.flink.async;

import io.streamformer.batch.Priority;
import io.streamformer.bundle.Manifest;
import io.streamformer.engine.InferencePipeline;
import io.streamformer.engine.LatencyHistogram;
import io.streamformer.engine.PipelineStats;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import java.util.function.DoubleSupplier;
import java.util.function.IntSupplier;
import java.util.function.LongSupplier;
import org.apache.flink.annotation.Internal;
import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.Gauge;
import org.apache.flink.metrics.Histogram;
import org.apache.flink.metrics.HistogramStatistics;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.metrics.ThreadSafeSimpleCounter;

/**
 * The metrics of one inference operator, in the group {@code streamformer} of the operator's own.
 *
 * <p>Counters and {@code inFlight} belong to the subtask: add them up. What is in the group {@code
 * session} is shared by all subtasks of a TaskManager that run the same bundle with the same
 * options: take the maximum per TaskManager.
 */
@Internal
public final class InferenceMetrics {

    /** Group of all metrics of this package. */
    static final String GROUP = "streamformer";

    /** {@code streamformer.results}: events that were answered. */
    static final String RESULTS = "results";

    /** {@code streamformer.truncated}: answers to a text that was cut. */
    static final String TRUNCATED = "truncated";

    /** {@code streamformer.inFlight}: events that wait for their answer. */
    static final String IN_FLIGHT = "inFlight";

    /** {@code streamformer.stage.<stage>.deadLetters}: events without a result, by stage. */
    static final String DEAD_LETTERS = "deadLetters";

    /** Key of the group by stage. */
    static final String STAGE = "stage";

    /** Group {@code streamformer.session} of what a TaskManager's subtasks share. */
    static final String SESSION = "session";

    /** {@code streamformer.session.rows}: texts that were run. */
    static final String ROWS = "rows";

    /** {@code streamformer.session.batches}: runs of the model. */
    static final String BATCHES = "batches";

    /** {@code streamformer.session.realTokens}: tokens of the texts that were run. */
    static final String REAL_TOKENS = "realTokens";

    /** {@code streamformer.session.paddedTokens}: tokens that the device computed. */
    static final String PADDED_TOKENS = "paddedTokens";

    /** {@code streamformer.session.outputTokens}: tokens that were generated. */
    static final String OUTPUT_TOKENS = "outputTokens";

    /** {@code streamformer.session.paddingShare}: share of computed tokens that were padding. */
    static final String PADDING_SHARE = "paddingShare";

    /** {@code streamformer.session.batchFill}: rows per run over the most rows of a run. */
    static final String BATCH_FILL = "batchFill";

    /** {@code streamformer.session.kind.<kind>.failures}: what failed and was run again. */
    static final String FAILURES = "failures";

    /** Key of the group by the kind of a failure. */
    static final String KIND = "kind";

    /** Kind of failure: a batch failed and was run again in halves. */
    static final String SPLIT = "split";

    /** Kind of failure: device memory did not suffice for a run. */
    static final String OUT_OF_MEMORY = "out-of-memory";

    /** Kind of failure: a text was tried again through no fault of its own. */
    static final String RETRY = "retry";

    /** {@code streamformer.session.tokenCeiling}: tokens that the longest batches may cost. */
    static final String TOKEN_CEILING = "tokenCeiling";

    /** {@code streamformer.session.cacheHits}: texts that were answered without a run. */
    static final String CACHE_HITS = "cacheHits";

    /** {@code streamformer.session.cacheMisses}: texts that the cache did not know. */
    static final String CACHE_MISSES = "cacheMisses";

    /**
     * {@code streamformer.session.model.<name>.version.<version>.variant.<variant>.info}: always 1.
     * Its labels say which model runs, since Prometheus shows no values that are text.
     */
    static final String INFO = "info";

    /** Key of the group by the bundle's name. */
    static final String MODEL = "model";

    /** Key of the group by the version in the bundle's manifest. */
    static final String VERSION = "version";

    /** Key of the group by the variant that runs. */
    static final String VARIANT = "variant";

    /** {@code streamformer.session.priority.<priority>.waiting}: texts that wait for a run. */
    static final String WAITING = "waiting";

    /** Key of the group by priority. */
    static final String PRIORITY = "priority";

    /** {@code streamformer.session.running}: texts that are being run. */
    static final String RUNNING = "running";

    /** {@code streamformer.session.oldestRunMs}: how long the oldest run has taken so far. */
    static final String OLDEST_RUN = "oldestRunMs";

    /** {@code streamformer.session.queueTimeMs}: from submission to the run, per text. */
    static final String QUEUE_TIME = "queueTimeMs";

    /** {@code streamformer.session.tokenizeTimeMs}: tokenization, per text. */
    static final String TOKENIZE_TIME = "tokenizeTimeMs";

    /** {@code streamformer.session.runTimeMs}: the model's run, per batch. */
    static final String RUN_TIME = "runTimeMs";

    /** {@code streamformer.session.decodeTimeMs}: model output to answers, per batch. */
    static final String DECODE_TIME = "decodeTimeMs";

    private final Counter results;
    private final Counter truncated;

    InferenceMetrics(MetricGroup operator, IntSupplier inFlight) {
        MetricGroup own = operator.addGroup(GROUP);
        // Answers are counted on the model's threads.
        results = own.counter(RESULTS, new ThreadSafeSimpleCounter());
        truncated = own.counter(TRUNCATED, new ThreadSafeSimpleCounter());
        gauge(own, IN_FLIGHT, inFlight::getAsInt);
    }

    void result(boolean wasTruncated) {
        results.inc();
        if (wasTruncated) {
            truncated.inc();
        }
    }

    /** The counter of dead letters of one stage. */
    public static Counter deadLetters(MetricGroup operator, String stage) {
        return operator.addGroup(GROUP)
                .addGroup(STAGE, stage)
                .counter(DEAD_LETTERS, new ThreadSafeSimpleCounter());
    }

    /** Registers what all leases of a session count together. */
    static void registerSession(
            MetricGroup operator, InferencePipeline pipeline, int maxBatchRows) {
        PipelineStats stats = pipeline.stats();
        MetricGroup session = operator.addGroup(GROUP).addGroup(SESSION);
        gauge(session, ROWS, stats::rows);
        gauge(session, BATCHES, stats::batches);
        gauge(session, REAL_TOKENS, stats::realTokens);
        gauge(session, PADDED_TOKENS, stats::paddedTokens);
        gauge(session, OUTPUT_TOKENS, stats::outputTokens);
        gauge(session.addGroup(KIND, SPLIT), FAILURES, stats::splits);
        gauge(session.addGroup(KIND, OUT_OF_MEMORY), FAILURES, stats::outOfMemory);
        gauge(session.addGroup(KIND, RETRY), FAILURES, stats::retries);
        gauge(session, TOKEN_CEILING, stats::tokenCeiling);
        gauge(session, CACHE_HITS, stats::cacheHits);
        gauge(session, CACHE_MISSES, stats::cacheMisses);
        for (Priority priority : Priority.values()) {
            gauge(
                    session.addGroup(PRIORITY, priority.name().toLowerCase(Locale.ROOT)),
                    WAITING,
                    () -> stats.waiting(priority));
        }
        Manifest manifest = pipeline.bundle().manifest();
        gauge(
                session.addGroup(MODEL, manifest.name())
                        .addGroup(VERSION, manifest.version())
                        .addGroup(VARIANT, pipeline.variant()),
                INFO,
                () -> 1);
        gauge(session, RUNNING, stats::inFlight);
        gauge(session, OLDEST_RUN, () -> TimeUnit.NANOSECONDS.toMillis(stats.oldestRunNanos()));
        share(session, PADDING_SHARE, () -> 1 - (double) stats.realTokens() / stats.paddedTokens());
        share(session, BATCH_FILL, () -> (double) stats.rows() / stats.batches() / maxBatchRows);
        session.histogram(QUEUE_TIME, new Milliseconds(stats.queueTime()));
        session.histogram(TOKENIZE_TIME, new Milliseconds(stats.tokenizeTime()));
        session.histogram(RUN_TIME, new Milliseconds(stats.runTime()));
        session.histogram(DECODE_TIME, new Milliseconds(stats.decodeTime()));
    }

    private static void gauge(MetricGroup group, String name, LongSupplier value) {
        group.gauge(name, (Gauge<Long>) value::getAsLong);
    }

    private static void share(MetricGroup group, String name, DoubleSupplier value) {
        // Before the first run the share is 0/0: report 0, which every reporter can write.
        group.gauge(
                name,
                (Gauge<Double>)
                        () -> {
                            double share = value.getAsDouble();
                            return Double.isFinite(share) ? share : 0.0;
                        });
    }

    /**
     * A latency histogram of the core as Flink reads it: its last minutes, and the count since the
     * start.
     */
    private static final class Milliseconds extends HistogramStatistics implements Histogram {

        private static final double NANOS = TimeUnit.MILLISECONDS.toNanos(1);

        private final LatencyHistogram histogram;

        private Milliseconds(LatencyHistogram histogram) {
            this.histogram = histogram;
        }

        @Override
        public void update(long value) {
            throw new UnsupportedOperationException("the core records durations: this is a bug");
        }

        @Override
        public long getCount() {
            return histogram.count();
        }

        @Override
        public HistogramStatistics getStatistics() {
            return this;
        }

        @Override
        public double getQuantile(double quantile) {
            return histogram.percentileNanos(quantile) / NANOS;
        }

        @Override
        public double getMean() {

            return histogram.meanNanos() / NANOS;
        }

        @Override
        public long getMax() {
            return Math.round(getQuantile(1));
        }

        @Override
        public long getMin() {
            return Math.round(getQuantile(0));
        }

        @Override
        public int size() {
            return (int) Math.min(Integer.MAX_VALUE, getCount());
        }

        @Override
        public double getStdDev() {
            // Classes of durations do not tell it.
            return 0;
        }

        @Override
        public long[] getValues() {
            return new long[0];
        }
    }
}
