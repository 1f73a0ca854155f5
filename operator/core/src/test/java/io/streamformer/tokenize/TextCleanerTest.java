package io.streamformer.tokenize;

import static org.assertj.core.api.Assertions.assertThat;

import io.streamformer.bundle.Manifest.Side;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TextCleanerTest {

    private static final String SMILE = "\uD83D\uDE00";

    @ParameterizedTest
    @ValueSource(strings = {"", " ", "\n\t ", "\u0000\u0007", "\u00a0\u2003", "\u0085"})
    void isBlank(String text) {
        assertThat(TextCleaner.isBlank(text)).isTrue();
    }

    @ParameterizedTest
    @ValueSource(strings = {"a", " a ", "\u0000x", SMILE, "\uD83D", "\u200b"})
    void isNotBlank(String text) {
        assertThat(TextCleaner.isBlank(text)).isFalse();
    }

    @Test
    void cutsOnlyWhatIsTooLong() {
        assertThat(cut("abc", 3, Side.RIGHT)).isSameAs("abc");
        assertThat(cut("abcd", 3, Side.RIGHT)).isEqualTo("abc");
        assertThat(cut("abc", 3, Side.LEFT)).isSameAs("abc");
        assertThat(cut("abcd", 3, Side.LEFT)).isEqualTo("bcd");
    }

    @Test
    void neverCutsInsideASurrogatePair() {
        assertThat(cut("ab" + SMILE, 3, Side.RIGHT)).isEqualTo("ab");
        assertThat(cut("ab" + SMILE + "c", 4, Side.RIGHT)).isEqualTo("ab" + SMILE);
        assertThat(cut(SMILE + "ab", 3, Side.LEFT)).isEqualTo("ab");
        assertThat(cut("c" + SMILE + "ab", 4, Side.LEFT)).isEqualTo(SMILE + "ab");
    }

    @Test
    void skipsWhiteSpaceAtTheEndThatStaysBeforeItCuts() {
        assertThat(cut(" ".repeat(1000) + "hello", 10, Side.RIGHT)).isEqualTo("hello");
        assertThat(cut("well hello" + " ".repeat(1000), 5, Side.LEFT)).isEqualTo("hello");
        assertThat(cut(" ".repeat(1000), 5, Side.LEFT)).isEmpty();
    }

    private static String cut(String text, int maxCharacters, Side side) {
        return TextCleaner.cut(text, maxCharacters, side).of(text);
    }

    @Test
    void replacesLoneSurrogatesAndNothingElse() {
        assertThat(TextCleaner.replaceLoneSurrogates(SMILE)).isSameAs(SMILE);
        assertThat(TextCleaner.replaceLoneSurrogates("\uD83Da" + SMILE + "\uDE00\uD83D"))
                .isEqualTo("\uFFFDa" + SMILE + "\uFFFD\uFFFD");
    }
}
