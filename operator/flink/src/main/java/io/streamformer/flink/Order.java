package io.streamformer.flink;

import org.apache.flink.annotation.Public;

/** Which results keep the order of their events. */
@Public
public enum Order {
    /** Each result leaves when it is ready. */
    NONE,
    /** Results whose Kafka records have a key in common; other keys pass. */
    KEY,
    /** All results of a subtask. */
    ALL
}
