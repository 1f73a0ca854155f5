package io.streamformer.batch;

import org.apache.flink.annotation.Internal;

/** A row that waits for its run; all that batching knows of it. */
@Internal
public interface BatchRow {

    /** Tokens that the row costs; a batch is charged the tokens of its longest row for each row. */
    int length();

    /** When the row came, in the batcher's clock. */
    long arrivalNanos();

    /** Who goes first among rows that came at about the same time. */
    Priority priority();

    /** Counts a run that failed with this row alone; says how many there were. */
    int failedAlone();

    /**
     * Told now and then how long the row's run has taken so far, and may give up on the answer.
     * Time in the queue does not count.
     */
    default void running(long nanos) {}

    /** True where nobody waits for the answer any more. */
    boolean abandoned();
}
