package io.streamformer.job.format;

import org.apache.flink.annotation.Public;

/** What the values of the input topic are. */
@Public
public enum InputFormat {
    /** A {@code TextEvent} as plain Avro binary. */
    AVRO,
    /** The text itself in UTF-8; its id is the key, or topic, partition and offset. */
    TEXT
}
