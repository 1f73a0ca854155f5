package io.streamformer.tokenize;

import io.streamformer.bundle.Manifest;

/** What is done to a text before the tokenizer sees it; pure functions on strings. */
final class TextCleaner {

    private static final char REPLACEMENT = '\uFFFD';

    private TextCleaner() {}

    /** True where the text has nothing but white space and control characters. */
    static boolean isBlank(String text) {
        return firstVisible(text) == text.length();
    }

    /**
     * The part of a text that is read: all of it, or of one that is too long its first visible
     * stretch, or its last one. The tokenizer reads a text to its end before it is cut to the
     * model's tokens (8 MB take 10 s), so the string is cut first.
     *
     * @param start first UTF-16 unit
     * @param end after the last UTF-16 unit
     */
    record Part(int start, int end) {
        String of(String text) {
            return start == 0 && end == text.length() ? text : text.substring(start, end);
        }
    }

    static Part cut(String text, int maxCharacters, Manifest.Side side) {
        int length = text.length();
        if (length <= maxCharacters) {
            return new Part(0, length);
        }
        if (side == Manifest.Side.LEFT) {
            int end = lastVisible(text);
            int start = Math.max(0, end - maxCharacters);
            return new Part(splitsPair(text, start) ? start + 1 : start, end);
        }
        int start = firstVisible(text);
        int end = Math.min(length, start + maxCharacters);
        return new Part(start, splitsPair(text, end) ? end - 1 : end);
    }

    private static boolean splitsPair(String text, int at) {
        return at > 0
                && at < text.length()
                && Character.isLowSurrogate(text.charAt(at))
                && Character.isHighSurrogate(text.charAt(at - 1));
    }

    /** The text with U+FFFD for each lone surrogate, which no encoding can carry. */
    static String replaceLoneSurrogates(String text) {
        int lone = indexOfLoneSurrogate(text, 0);
        if (lone < 0) {
            return text;
        }
        StringBuilder clean = new StringBuilder(text);
        while (lone >= 0) {
            clean.setCharAt(lone, REPLACEMENT);
            lone = indexOfLoneSurrogate(text, lone + 1);
        }
        return clean.toString();
    }

    private static int indexOfLoneSurrogate(String text, int from) {
        int i = from;
        while (i < text.length()) {
            char c = text.charAt(i);
            if (!Character.isSurrogate(c)) {
                i++;
            } else if (Character.isHighSurrogate(c)
                    && i + 1 < text.length()
                    && Character.isLowSurrogate(text.charAt(i + 1))) {
                i += 2;
            } else {
                return i;
            }
        }
        return -1;
    }

    private static int firstVisible(String text) {
        int i = 0;
        while (i < text.length() && isHidden(text.codePointAt(i))) {
            i += Character.charCount(text.codePointAt(i));
        }
        return i;
    }

    /** After the last visible character; 0 where there is none. */
    private static int lastVisible(String text) {
        int i = text.length();
        while (i > 0 && isHidden(text.codePointBefore(i))) {
            i -= Character.charCount(text.codePointBefore(i));
        }
        return i;
    }

    private static boolean isHidden(int codePoint) {
        return Character.isWhitespace(codePoint)
                || Character.isSpaceChar(codePoint)
                || Character.isISOControl(codePoint);
    }
}
