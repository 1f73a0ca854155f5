package io.streamformer.job.format;

/** What the values of the input topic are. */
public enum InputFormat {
    /** A {@code TextEvent} as plain Avro binary. */
    AVRO,
    /** The text itself in UTF-8; its id is the key, or topic, partition and offset. */
    TEXT
}
