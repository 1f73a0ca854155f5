package io.streamformer.engine;

import io.streamformer.batch.Priority;
import java.util.Objects;
import org.apache.flink.annotation.Internal;

/**
 * One text, or one pair of texts, to be answered.
 *
 * @param text the text; a blank text is refused when it is submitted
 * @param textPair the second text of a pair task; null otherwise
 * @param language BCP 47 tag of the text's language; null takes the bundle's own
 * @param targetLanguage BCP 47 tag of the language to write; null takes the bundle's own
 * @param maxNewTokens most tokens to generate, below what the model's options allow; null takes
 *     those
 * @param seed what a sampled answer is drawn with; null is 0
 * @param priority who goes first among texts that wait for the same model
 */
@Internal
public record TextInput(
        String text,
        String textPair,
        String language,
        String targetLanguage,
        Integer maxNewTokens,
        Long seed,
        Priority priority) {

    public TextInput {
        Objects.requireNonNull(text, "text");
        Objects.requireNonNull(priority, "priority");
    }

    /** The same with another priority. */
    TextInput with(Priority value) {
        return value == priority
                ? this
                : new TextInput(
                        text, textPair, language, targetLanguage, maxNewTokens, seed, value);
    }

    /** A single text. */
    public static TextInput of(String text) {
        return of(text, null);
    }

    /** A pair of texts; a single one where the second is null. */
    public static TextInput of(String text, String textPair) {
        return new TextInput(text, textPair, null, null, null, null, Priority.NORMAL);
    }
}
