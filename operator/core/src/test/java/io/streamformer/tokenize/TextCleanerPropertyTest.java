package io.streamformer.tokenize;

import static org.assertj.core.api.Assertions.assertThat;

import io.streamformer.bundle.Manifest.Side;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.StringLength;

class TextCleanerPropertyTest {

    @Property
    void aCutTextIsAPartOfTheTextAndWellFormedWhereTheTextWas(
            @ForAll @StringLength(max = 60) String text,
            @ForAll @IntRange(min = 1, max = 40) int max,
            @ForAll Side side) {
        String clean = TextCleaner.replaceLoneSurrogates(text);

        String cut = TextCleaner.cut(clean, max, side).of(clean);

        assertThat(cut.length()).isLessThanOrEqualTo(max);
        assertThat(clean).contains(cut);
        assertThat(TextCleaner.replaceLoneSurrogates(cut)).isEqualTo(cut);
    }
}
