package io.streamformer.job.kafka;

import org.apache.flink.annotation.Public;

/** The timestamp of the records that the job writes. */
@Public
public enum SinkTimestamp {
    /** The event's. */
    EVENT,
    /** The time at which the record is written. */
    NOW
}
