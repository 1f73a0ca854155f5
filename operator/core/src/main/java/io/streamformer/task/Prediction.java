package io.streamformer.task;

import org.apache.flink.annotation.Internal;

/** The answer of a model to one text. Each task has a record of its own, in the task's file. */
@Internal
public interface Prediction {

    /** Tokens that the model read, its special tokens included. */
    int inputTokens();

    /** Tokens that the model wrote; 0 for one that does not generate. */
    default int outputTokens() {
        return 0;
    }

    /** True where the text was cut before the model read it, or the answer reached its limit. */
    boolean truncated();

    /** About how many bytes of heap the answer takes, for the cache of answers. */
    int heapBytes();
}
