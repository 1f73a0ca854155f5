package io.streamformer.task;

import java.util.List;
import java.util.Map;

/** The answer of a model to one text. */
public sealed interface Prediction {

    /** Tokens the model read, its special tokens included. */
    int inputTokens();

    /** True where the text was cut before the model read it, or the answer reached its limit. */
    boolean truncated();

    /**
     * The answer of a classifier, or of a regression.
     *
     * @param label the label with the highest score
     * @param score the score of that label
     * @param scores the score of every label, in the order of the manifest's labels: a probability,
     *     0 to 1, or a regression's value
     */
    record Classification(
            String label,
            float score,
            Map<String, Float> scores,
            int inputTokens,
            boolean truncated)
            implements Prediction {}

    /**
     * The answer of a token classifier.
     *
     * @param entities in the order of the text
     */
    record Entities(List<Entity> entities, int inputTokens, boolean truncated)
            implements Prediction {}

    /**
     * A labelled stretch of a text.
     *
     * @param label the label, without its B- or I- unless every token is an entity of its own
     * @param score the probability of the label, 0 to 1
     * @param text the characters of the stretch
     * @param start first character, in Unicode code points of the text
     * @param end behind the last character
     */
    record Entity(String label, float score, String text, int start, int end) {}

    /**
     * The answer to a question: a stretch of its context.
     *
     * @param text the characters of the stretch
     * @param score probability of its first token times that of its last
     * @param start first character, in Unicode code points of the context
     * @param end behind the last character
     */
    record Answer(String text, float score, int start, int end, int inputTokens, boolean truncated)
            implements Prediction {}

    /** The vector of a text. */
    @SuppressWarnings("ArrayRecordComponent") // handed over once, never compared
    record Embedding(float[] vector, int inputTokens, boolean truncated) implements Prediction {}

    /**
     * The answer of a generating model.
     *
     * @param text the generated text
     * @param score sum of the tokens' log-probabilities over length to the power of the length
     *     penalty
     * @param alternatives the next best texts, as many as are asked for
     * @param tokenScores log-probability of each output token; empty where the bundle does not give
     *     it
     * @param alignments which word of the input each word of the text was read from; empty where
     *     the bundle does not give it
     * @param outputTokens tokens generated, the end token included
     */
    record Generation(
            String text,
            float score,
            List<Alternative> alternatives,
            List<Float> tokenScores,
            List<Alignment> alignments,
            int inputTokens,
            int outputTokens,
            boolean truncated)
            implements Prediction {}

    /** A text that was found beside the best one, with its score. */
    record Alternative(String text, float score) {}

    /**
     * A word of a generated text and the word of the input that it looked at most. All offsets
     * count Unicode code points; ends lie behind the last character.
     *
     * @param score share of its attention that went there, 0 to 1
     */
    record Alignment(int sourceStart, int sourceEnd, int targetStart, int targetEnd, float score) {}
}
