package io.streamformer.local.bench;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

class TextMixTest {

    private final List<String> texts = List.of("a", "b", "c", "d", "e");

    @Test
    void givesEveryTextOnceBeforeItGivesOneAgain() {
        List<String> mixed = TextMix.take(texts, 12);
        assertThat(mixed.subList(0, 5)).containsExactlyInAnyOrderElementsOf(texts);
        assertThat(mixed.subList(5, 10)).containsExactlyInAnyOrderElementsOf(texts);
        assertThat(mixed).hasSize(12).isEqualTo(TextMix.take(texts, 12));
    }
}
