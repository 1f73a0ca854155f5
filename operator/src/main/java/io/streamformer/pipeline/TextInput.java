package io.streamformer.pipeline;

import java.util.Objects;

/**
 * One text, or one pair of texts, to be answered.
 *
 * @param text the text; neither null nor blank is checked here: a blank text is the tokenizer's to
 *     judge
 * @param textPair the second text of a pair task; null otherwise
 */
public record TextInput(String text, String textPair) {

    public TextInput {
        Objects.requireNonNull(text, "text");
    }

    /** A single text. */
    public static TextInput of(String text) {
        return new TextInput(text, null);
    }
}
