package io.streamformer.batch;

import org.apache.flink.annotation.Public;

/**
 * Which rows go first. A priority is a head start, not a rank: a row is treated as if it had come
 * that much earlier, so a lower one waits longer but never for good.
 */
@Public
public enum Priority {
    HIGH(10),
    NORMAL(0),
    LOW(-10);

    private final long headStartNanos;

    Priority(long headStartSeconds) {
        this.headStartNanos = headStartSeconds * 1_000_000_000L;
    }

    long headStartNanos() {
        return headStartNanos;
    }
}
