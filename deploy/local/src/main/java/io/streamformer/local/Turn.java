package io.streamformer.local;

import com.fasterxml.jackson.databind.node.ObjectNode;

/**
 * What one turn of a benchmark measured.
 *
 * @param texts texts answered in the time
 * @param seconds the time
 * @param inputTokens tokens that the model read, special tokens included
 * @param outputTokens tokens that the model wrote; 0 for a classifier
 * @param paddedTokens tokens of the batches as the device computed them, over all texts of the turn
 * @param realTokens those of them that are no padding
 */
record Turn(
        long texts,
        double seconds,
        long inputTokens,
        long outputTokens,
        long paddedTokens,
        long realTokens) {

    double textsPerSecond() {
        return texts / seconds;
    }

    /** Tokens read and written. */
    double tokensPerSecond() {
        return (inputTokens + outputTokens) / seconds;
    }

    double paddingShare() {
        return paddedTokens == 0 ? 0 : 1.0 - (double) realTokens / paddedTokens;
    }

    void write(ObjectNode node) {
        node.put("texts", texts)
                .put("seconds", seconds)
                .put("texts_per_second", textsPerSecond())
                .put("tokens_per_second", tokensPerSecond())
                .put("input_tokens", inputTokens)
                .put("output_tokens", outputTokens)
                .put("padding_share", paddingShare());
    }
}
