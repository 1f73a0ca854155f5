package io.streamformer.job.kafka;

import org.apache.flink.annotation.Public;

/** Where a job without a checkpoint begins to read. */
@Public
public enum InputStart {
    /**
     * Where the job's state says. A group without offsets begins at the earliest; one that has some
     * needs a savepoint or checkpoint, because events before its offsets may have been under way.
     */
    COMMITTED,
    /** At the offsets that the group has committed, whatever was under way before them. */
    RESUME_COMMITTED,
    /** At the earliest offsets. */
    EARLIEST,
    /** At the offsets that are the latest when the job starts. */
    LATEST
}
