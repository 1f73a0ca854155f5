package io.streamformer.job.kafka;

/** Where a job without a checkpoint begins to read. */
public enum InputStart {
    /** At the offsets that the group has committed; at the earliest where it has none. */
    COMMITTED,
    /** At the earliest offsets. */
    EARLIEST,
    /** At the offsets that are the latest when the job starts. */
    LATEST
}
