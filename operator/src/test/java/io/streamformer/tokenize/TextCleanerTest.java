package io.streamformer.tokenize;

import static org.assertj.core.api.Assertions.assertThat;

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
        assertThat(TextCleaner.cut("abc", 3)).isSameAs("abc");
        assertThat(TextCleaner.cut("abcd", 3)).isEqualTo("abc");
    }

    @Test
    void neverCutsInsideASurrogatePair() {
        assertThat(TextCleaner.cut("ab" + SMILE, 3)).isEqualTo("ab");
        assertThat(TextCleaner.cut("ab" + SMILE + "c", 4)).isEqualTo("ab" + SMILE);
    }

    @Test
    void skipsLeadingWhiteSpaceBeforeItCuts() {
        assertThat(TextCleaner.cut(" ".repeat(1000) + "hello", 10)).isEqualTo("hello");
    }

    @Test
    void replacesLoneSurrogatesAndNothingElse() {
        assertThat(TextCleaner.replaceLoneSurrogates(SMILE)).isSameAs(SMILE);
        assertThat(TextCleaner.replaceLoneSurrogates("\uD83Da" + SMILE + "\uDE00\uD83D"))
                .isEqualTo("\uFFFDa" + SMILE + "\uFFFD\uFFFD");
    }
}
