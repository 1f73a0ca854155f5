package io.streamformer.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;

class LengthRatioTest {

    private final LengthRatio ratio = new LengthRatio();

    @Test
    void isOneBeforeTheFirstAnswer() {
        assertThat(ratio.of(0, 0)).isEqualTo(1);
        assertThat(ratio.of(10, 25)).isEqualTo(2.5);
    }

    @Test
    void followsTextsOfAnotherKind() {
        long read = 0;
        long written = 0;
        while (read < 100 * LengthRatio.WINDOW) {
            read += 100;
            written += 10;
            ratio.of(read, written);
        }
        assertThat(ratio.of(read, written)).isCloseTo(0.1, within(1e-3));
        for (int i = 0; i <= 2 * LengthRatio.WINDOW; i += 100) {
            read += 100;
            written += 200;
            ratio.of(read, written);
        }
        assertThat(ratio.of(read, written)).isCloseTo(2, within(1e-2));
    }
}
