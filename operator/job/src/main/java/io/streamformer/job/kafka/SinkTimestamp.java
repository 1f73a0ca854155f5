package io.streamformer.job.kafka;

/** The timestamp of the records that the job writes. */
public enum SinkTimestamp {
    /** The event's. */
    EVENT,
    /** The time at which the record is written. */
    NOW
}
