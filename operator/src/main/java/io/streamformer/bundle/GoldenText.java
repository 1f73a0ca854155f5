package io.streamformer.bundle;

import com.fasterxml.jackson.annotation.JsonProperty;

/**
 * A text with the reference implementation's answer.
 *
 * @param textPair second text of a pair; null otherwise
 * @param inputIds the reference tokenizer's ids, special tokens included
 * @param label the reference's label; null for a generating task
 * @param score the probability of that label
 * @param output the reference's generated text; null for a classifier
 */
@SuppressWarnings("ArrayRecordComponent") // read once, never compared as a record
public record GoldenText(
        @JsonProperty(required = true) String text,
        String textPair,
        @JsonProperty(required = true) int[] inputIds,
        String label,
        Float score,
        String output) {}
