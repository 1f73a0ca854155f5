package io.streamformer.batch;

/** A row that waits for its run; all that batching knows of it. */
public interface BatchRow {

    /** Tokens of the row; a batch is charged the longest of its rows for each. */
    int length();

    /** When the row came, in the batcher's clock. */
    long arrivalNanos();

    /** Who goes first among rows that came at about the same time. */
    Priority priority();

    /** True where nobody waits for the answer any more. */
    boolean abandoned();
}
