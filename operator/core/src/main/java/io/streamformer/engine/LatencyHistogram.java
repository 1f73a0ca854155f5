package io.streamformer.engine;

import java.util.concurrent.atomic.AtomicLongArray;
import java.util.concurrent.atomic.LongAdder;

/**
 * Counts of durations in classes that grow by an eighth of a power of two, so that a percentile is
 * at most 13 % off; cheap enough for every record.
 */
public final class LatencyHistogram {

    private static final int STEPS = 8;
    private static final int STEP_BITS = 3;

    private final AtomicLongArray classes = new AtomicLongArray(64 * STEPS);
    private final LongAdder sum = new LongAdder();

    void record(long nanos) {
        long value = Math.max(0, nanos);
        classes.incrementAndGet(classOf(value));
        sum.add(value);
    }

    /** Durations recorded. */
    public long count() {
        long count = 0;
        for (int i = 0; i < classes.length(); i++) {
            count += classes.get(i);
        }
        return count;
    }

    /** Sum of all durations. */
    public long sumNanos() {
        return sum.sum();
    }

    /**
     * The duration that a share of all durations does not exceed; 0 before the first.
     *
     * @param share 0.5 for the median, 0.99 for the 99th percentile
     */
    public long percentileNanos(double share) {
        long wanted = (long) Math.ceil(share * count());
        long seen = 0;
        for (int i = 0; i < classes.length(); i++) {
            seen += classes.get(i);
            if (seen >= wanted && seen > 0) {
                return upperBound(i);
            }
        }
        return 0;
    }

    private static int classOf(long value) {
        if (value < STEPS) {
            return (int) value;
        }
        int exponent = 63 - Long.numberOfLeadingZeros(value);
        int step = (int) (value >>> (exponent - STEP_BITS)) & (STEPS - 1);
        return (exponent - STEP_BITS + 1) * STEPS + step;
    }

    private static long upperBound(int index) {
        if (index < STEPS) {
            return index;
        }
        int exponent = index / STEPS + STEP_BITS - 1;
        return ((long) (STEPS + index % STEPS + 1) << (exponent - STEP_BITS)) - 1;
    }
}
