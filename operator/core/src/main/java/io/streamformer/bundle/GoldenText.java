package io.streamformer.bundle;

import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.List;
import java.util.Map;

/**
 * A text with the reference implementation's answer. What is not of its task is null.
 *
 * @param textPair second text of a pair; null otherwise
 * @param language the text's language, where the input tells it
 * @param targetLanguage the language of the output, where the model writes several
 * @param inputIds the reference tokenizer's ids, special tokens included; those of the first window
 *     where the text is read in several
 * @param label the label of a single-label classification
 * @param score the probability of that label
 * @param scores the score of every label of a multi-label classification or a regression
 * @param entities the entities of a token classification
 * @param answer the answer of a question answering
 * @param embedding the vector of a feature extraction
 * @param output the generated text
 */
@SuppressWarnings("ArrayRecordComponent") // read once, never compared as a record
public record GoldenText(
        @JsonProperty(required = true) String text,
        String textPair,
        String language,
        String targetLanguage,
        @JsonProperty(required = true) int[] inputIds,
        String label,
        Float score,
        Map<String, Float> scores,
        List<Span> entities,
        Span answer,
        float[] embedding,
        String output) {

    /**
     * A stretch of the text, of the pair's second text in question answering.
     *
     * @param label the entity's label; null in question answering
     * @param start first character, in Unicode code points
     * @param end behind the last character
     */
    public record Span(
            String label,
            @JsonProperty(required = true) float score,
            @JsonProperty(required = true) int start,
            @JsonProperty(required = true) int end) {}

    /** What an answer of the manifest's task has here; null where this text has none. */
    Object expected(Manifest manifest) {
        return switch (manifest.task()) {
            case TEXT_CLASSIFICATION ->
                    manifest.problemType() != ProblemType.SINGLE_LABEL
                            ? scores
                            : score == null ? null : label;
            case TOKEN_CLASSIFICATION -> entities;
            case QUESTION_ANSWERING -> answer;
            case FEATURE_EXTRACTION -> embedding;
            case TRANSLATION, SUMMARIZATION, TEXT2TEXT_GENERATION, TEXT_GENERATION -> output;
        };
    }
}
