package io.streamformer.bundle;

import com.fasterxml.jackson.annotation.JsonIgnore;
import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.annotation.Internal;

/**
 * A text with the reference implementation's answer.
 *
 * @param textPair second text of a pair; null otherwise
 * @param language the text's language, where the input tells it
 * @param targetLanguage the language of the output, where the model writes several
 * @param inputIds the reference tokenizer's ids, special tokens included; the ids of the first
 *     window where the text is read in several
 * @param line the whole line, in which each task finds its answer
 */
@SuppressWarnings("ArrayRecordComponent") // read once, never compared as a record
@Internal
public record GoldenText(
        @JsonProperty(required = true) String text,
        String textPair,
        String language,
        String targetLanguage,
        @JsonProperty(required = true) int[] inputIds,
        @JsonIgnore JsonNode line) {

    /**
     * The part of the line that a task knows, read into a record of the task's own. Fields that the
     * record does not have are left out.
     *
     * @throws BundleException if a field has another type
     */
    public <A> A answer(Class<A> type) {
        return Bundle.goldenAnswer(line, type);
    }

    /**
     * The error of a line that has no answer of the bundle's task.
     *
     * @param form what a line has, such as "a label and its score"
     */
    public BundleException without(String form, Manifest manifest) {
        return new BundleException(
                "a golden text of the task " + manifest.task() + " has " + form,
                line.toString(),
                Bundle.EXPORT_AGAIN);
    }
}
