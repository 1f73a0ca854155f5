package io.streamformer.local.bench;

import com.fasterxml.jackson.databind.node.ObjectNode;

/**
 * What one turn of a benchmark measured.
 *
 * @param texts texts answered in the time
 * @param seconds the time
 * @param inputTokens tokens that the model read, special tokens included
 * @param outputTokens tokens that the model wrote; 0 for a classifier
 * @param work what the device did, over all texts of the turn
 * @param tooShort whether it has so few texts that it overstates how fast a job is
 */
record Turn(
        long texts,
        double seconds,
        long inputTokens,
        long outputTokens,
        DeviceWork work,
        boolean tooShort) {

    Turn {
        if (texts < 1 || !(seconds > 0)) {
            throw new IllegalArgumentException(
                    "A turn must answer texts in some time, not "
                            + texts
                            + " in "
                            + seconds
                            + " s");
        }
    }

    double textsPerSecond() {
        return texts / seconds;
    }

    /** Tokens read and written. */
    double tokensPerSecond() {
        return (inputTokens + outputTokens) / seconds;
    }

    double paddingShare() {
        return work.paddingShare();
    }

    void write(ObjectNode node) {
        node.put("texts", texts)
                .put("seconds", seconds)
                .put("texts_per_second", textsPerSecond())
                .put("tokens_per_second", tokensPerSecond())
                .put("input_tokens", inputTokens)
                .put("output_tokens", outputTokens)
                .put("too_short", tooShort);
        work.write(node);
    }
}
