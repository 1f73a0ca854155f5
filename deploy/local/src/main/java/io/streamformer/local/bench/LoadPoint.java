package io.streamformer.local.bench;

import com.fasterxml.jackson.databind.node.ObjectNode;
import org.HdrHistogram.Histogram;

/**
 * What one load of an open loop measured.
 *
 * @param load share of the sustained rate
 * @param exactlyOnce whether results waited for a checkpoint
 * @param offered events per second that were to be sent
 * @param achieved results per second that became readable in the same time
 * @param p50 median latency in milliseconds, from when an event was to be sent until its result
 *     could be read
 * @param p99 latency that one in a hundred exceeds
 * @param max longest latency
 * @param work what the device did in the time
 */
record LoadPoint(
        double load,
        boolean exactlyOnce,
        double offered,
        double achieved,
        double p50,
        double p99,
        double max,
        DeviceWork work) {

    LoadPoint {
        if (!(load > 0) || !(p50 <= p99) || !(p99 <= max)) {
            throw new IllegalArgumentException(
                    "A load must be more than 0 and percentiles must ascend, not "
                            + load
                            + " with "
                            + p50
                            + ", "
                            + p99
                            + ", "
                            + max
                            + " ms");
        }
    }

    /** A point from the latencies of its events in microseconds. */
    static LoadPoint of(
            double load,
            boolean exactlyOnce,
            double offered,
            double achieved,
            Histogram micros,
            DeviceWork work) {
        return new LoadPoint(
                load,
                exactlyOnce,
                offered,
                achieved,
                micros.getValueAtPercentile(50) / 1e3,
                micros.getValueAtPercentile(99) / 1e3,
                micros.getMaxValue() / 1e3,
                work);
    }

    void write(ObjectNode node) {
        node.put("load", load)
                .put("delivery", exactlyOnce ? "exactly once" : "at least once")
                .put("offered_per_second", offered)
                .put("achieved_per_second", achieved)
                .put("p50_ms", p50)
                .put("p99_ms", p99)
                .put("max_ms", max);
        work.write(node);
    }
}
