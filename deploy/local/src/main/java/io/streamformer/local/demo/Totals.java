package io.streamformer.local.demo;

import io.streamformer.engine.InferencePipeline;
import io.streamformer.engine.PipelineStats;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;

/** Running totals of a demo, in one line. */
final class Totals {

    /** Percentiles are of the last events: the first ones met a cold JVM. */
    private static final int LATENCIES = 10_000;

    private final List<InferencePipeline> pipelines;
    private final int maxBatchRows;
    private final long[] latencies = new long[LATENCIES];
    private long events;
    private long deadLetters;
    private long startedAtNanos;

    Totals(List<InferencePipeline> pipelines, int maxBatchRows) {
        this.pipelines = pipelines;
        this.maxBatchRows = maxBatchRows;
    }

    /** The first event is about to be sent. */
    synchronized void start() {
        startedAtNanos = System.nanoTime();
    }

    synchronized void add(AnsweredEvent event) {
        latencies[(int) (events % LATENCIES)] = event.millis();
        events++;
        deadLetters += event.deadLetters().size();
    }

    synchronized long events() {
        return events;
    }

    /** Events, rate, batch fill, padding share, latency and dead letters. */
    synchronized String line() {
        double seconds = Math.max(1e-3, (System.nanoTime() - startedAtNanos) / 1e9);
        List<String> parts = new ArrayList<>();
        parts.add(String.format(Locale.ROOT, "%,d %s", events, events == 1 ? "event" : "events"));
        parts.add(String.format(Locale.ROOT, "%,.1f/s", events / seconds));
        long rows = sum(PipelineStats::rows);
        long batches = sum(PipelineStats::batches);
        long padded = sum(PipelineStats::paddedTokens);
        if (batches > 0) {
            parts.add(
                    String.format(
                            Locale.ROOT,
                            "batch fill %.0f %%",
                            100.0 * rows / (batches * maxBatchRows)));
            parts.add(
                    String.format(
                            Locale.ROOT,
                            "padding %.0f %%",
                            100.0 * (padded - sum(PipelineStats::realTokens)) / padded));
        }
        if (events > 0) {
            parts.add(
                    String.format(
                            Locale.ROOT,
                            "latency p50 %.2f s, p99 %.2f s",
                            percentile(0.5) / 1e3,
                            percentile(0.99) / 1e3));
        }
        parts.add(
                String.format(
                        Locale.ROOT,
                        "%,d dead %s",
                        deadLetters,
                        deadLetters == 1 ? "letter" : "letters"));
        return String.join(" · ", parts);
    }

    private long sum(java.util.function.ToLongFunction<PipelineStats> counter) {
        return pipelines.stream().mapToLong(p -> counter.applyAsLong(p.stats())).sum();
    }

    private long percentile(double share) {
        int count = (int) Math.min(events, LATENCIES);
        List<Long> sorted = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            sorted.add(latencies[i]);
        }
        Collections.sort(sorted);
        return sorted.get((int) Math.ceil(share * count) - 1);
    }
}
