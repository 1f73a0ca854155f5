package io.streamformer.decode;

import java.util.Map;

/** The answer of a model to one text. */
public sealed interface Prediction {

    /** Tokens the model read, its special tokens included. */
    int inputTokens();

    /** True where the text was cut before the model read it, or the answer reached its limit. */
    boolean truncated();

    /**
     * The answer of a classifier.
     *
     * @param label the label with the highest score
     * @param score the probability of that label, 0 to 1
     * @param scores the probability of every label, in the order of the manifest's labels
     */
    record Classification(
            String label,
            float score,
            Map<String, Float> scores,
            int inputTokens,
            boolean truncated)
            implements Prediction {}

    /**
     * The answer of a generating model.
     *
     * @param text the generated text
     * @param score sum of the tokens' log-probabilities over length to the power of the length
     *     penalty
     * @param outputTokens tokens generated, the end token included
     */
    record Generation(
            String text, float score, int inputTokens, int outputTokens, boolean truncated)
            implements Prediction {}
}
