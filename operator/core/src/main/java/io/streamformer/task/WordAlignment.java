package io.streamformer.task;

import io.streamformer.tokenize.TokenSpans;
import java.text.BreakIterator;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * The attention of output tokens to input tokens, gathered to words: each word of the output with
 * the word of the input that it looked at most. Words are what {@link BreakIterator} finds, if they
 * have a letter or a digit; a token counts for a word by the share of its characters that are in
 * it.
 */
final class WordAlignment {

    /** A word of a text, in code points. */
    private record Word(int start, int end) {

        /** Share of a token's characters that are in the word. */
        float share(TokenSpans spans, int token) {
            int from = spans.starts()[token];
            int to = spans.ends()[token];
            int common = Math.min(end, to) - Math.max(start, from);
            return from < 0 || common <= 0 ? 0 : (float) common / (to - from);
        }
    }

    private WordAlignment() {}

    /**
     * The words of one hypothesis.
     *
     * @param hypothesis its number among the hypotheses of all rows
     * @param source where the input tokens are in the input
     * @param target where the ids of the hypothesis are in its text
     */
    static List<TextGeneration.Alignment> of(
            TextGeneration.Sequences sequences,
            int hypothesis,
            TokenSpans source,
            TokenSpans target) {
        int read = Arrays.stream(source.ends()).max().orElse(0);
        List<Word> sourceWords = words(source.slice(0, Math.max(0, read)));
        List<TextGeneration.Alignment> alignments = new ArrayList<>();
        for (Word word : words(target.text())) {
            float[] attention = attention(sequences, hypothesis, word, source, target);
            Word best = null;
            float highest = 0;
            for (Word candidate : sourceWords) {
                float sum = 0;
                for (int token = 0; token < attention.length; token++) {
                    sum += attention[token] * candidate.share(source, token);
                }
                if (sum > highest) {
                    best = candidate;
                    highest = sum;
                }
            }
            if (best != null) {
                alignments.add(
                        new TextGeneration.Alignment(
                                best.start(), best.end(), word.start(), word.end(), highest));
            }
        }
        return alignments;
    }

    /** Mean attention of a word's tokens to each input token. */
    private static float[] attention(
            TextGeneration.Sequences sequences,
            int hypothesis,
            Word word,
            TokenSpans source,
            TokenSpans target) {
        float[] attention = new float[source.starts().length];
        float weight = 0;
        for (int token = 0; token < target.starts().length; token++) {
            float share = word.share(target, token);
            if (share > 0) {
                int from = (hypothesis * sequences.length() + token) * sequences.sourceLength();
                for (int i = 0; i < attention.length; i++) {
                    attention[i] += share * sequences.alignments()[from + i];
                }
                weight += share;
            }
        }
        for (int i = 0; i < attention.length; i++) {
            attention[i] /= Math.max(weight, Float.MIN_NORMAL);
        }
        return attention;
    }

    private static List<Word> words(String text) {
        BreakIterator breaks = BreakIterator.getWordInstance(Locale.ROOT);
        breaks.setText(text);
        List<Word> words = new ArrayList<>();
        int position = 0;
        int from = breaks.first();
        for (int to = breaks.next(); to != BreakIterator.DONE; to = breaks.next()) {
            String piece = text.substring(from, to);
            int length = piece.codePointCount(0, piece.length());
            if (piece.codePoints().anyMatch(Character::isLetterOrDigit)) {
                words.add(new Word(position, position + length));
            }
            position += length;
            from = to;
        }
        return words;
    }
}
