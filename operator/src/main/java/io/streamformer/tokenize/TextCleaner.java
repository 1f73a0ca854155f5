package io.streamformer.tokenize;

/** What is done to a text before the tokenizer sees it; pure functions on strings. */
final class TextCleaner {

    private static final char REPLACEMENT = '\uFFFD';

    private TextCleaner() {}

    /** True where the text has nothing but white space and control characters. */
    static boolean isBlank(String text) {
        return firstVisible(text) == text.length();
    }

    /**
     * The first visible stretch of a text that is too long. The tokenizer reads a text to its end
     * before it truncates (8 MB take 10 s), so the string is cut first.
     *
     * @return the text itself where it is short enough
     */
    static String cut(String text, int maxCharacters) {
        if (text.length() <= maxCharacters) {
            return text;
        }
        int start = cutStart(text, maxCharacters);
        int end = Math.min(text.length(), start + maxCharacters);
        if (end < text.length()
                && Character.isLowSurrogate(text.charAt(end))
                && Character.isHighSurrogate(text.charAt(end - 1))) {
            end--;
        }
        return text.substring(start, end);
    }

    /** Where in the text begins what {@link #cut} leaves of it. */
    static int cutStart(String text, int maxCharacters) {
        return text.length() <= maxCharacters ? 0 : firstVisible(text);
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
        while (i < text.length()) {
            int codePoint = text.codePointAt(i);
            if (!Character.isWhitespace(codePoint)
                    && !Character.isSpaceChar(codePoint)
                    && !Character.isISOControl(codePoint)) {
                return i;
            }
            i += Character.charCount(codePoint);
        }
        return i;
    }
}
