package io.streamformer.tokenize;

import java.util.Arrays;
import org.apache.flink.annotation.Internal;

/**
 * Where tokens are in the text they were read from. Offsets count characters, that is Unicode code
 * points, from the start of the text as it came. The arrays are handed over, not copied; nobody
 * writes to them.
 *
 * @param text the text: the second one of a question and its context
 * @param starts first character of each token; -1 for one that is none of the text's
 * @param ends behind the last character of each token
 * @param words number of the word that each token is a part of, as the tokenizer splits words; -1
 *     for a special token. null for a generated text
 */
@SuppressWarnings("ArrayRecordComponent") // handed over once, never compared
@Internal
public record TokenSpans(String text, int[] starts, int[] ends, int[] words) {

    /** Offset of a token that is not part of the text. */
    public static final int NONE = -1;

    /** True where the token is one of the text. */
    public boolean contains(int token) {
        return starts[token] >= 0;
    }

    /** True where any of the tokens is one of the text. */
    public boolean containsAny() {
        return Arrays.stream(starts).anyMatch(start -> start >= 0);
    }

    /** The characters of the text from one to before another, counted in code points. */
    public String slice(int start, int end) {
        int from = text.offsetByCodePoints(0, start);
        return text.substring(from, text.offsetByCodePoints(from, end - start));
    }

    /** The spans of some of the tokens, in this order. */
    TokenSpans select(int[] tokens) {
        int[] chosenStarts = new int[tokens.length];
        int[] chosenEnds = new int[tokens.length];
        int[] chosenWords = new int[tokens.length];
        for (int i = 0; i < tokens.length; i++) {
            chosenStarts[i] = starts[tokens[i]];
            chosenEnds[i] = ends[tokens[i]];
            chosenWords[i] = words[tokens[i]];
        }
        return new TokenSpans(text, chosenStarts, chosenEnds, chosenWords);
    }
}
