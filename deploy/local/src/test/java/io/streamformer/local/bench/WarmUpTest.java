package io.streamformer.local.bench;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class WarmUpTest {

    @ParameterizedTest(name = "{0} results, {1} under way")
    @CsvSource({
        // results, under way, results that warm up, too short
        "    10, 1024,     2, true",
        "  4095, 1024,   819, true",
        "  4096, 1024,  2048, false",
        " 10239, 1024,  2048, false",
        " 20000, 1024,  4000, false",
        " 20000, 4096,  8192, false",
        " 16383, 4096,  3277, true",
        "    10,    2,     4, false",
        "   100,    2,    20, false",
    })
    void isAFifthOrTwiceWhatIsUnderWay(
            int results, int underWay, int expected, boolean expectedTooShort) {
        assertThat(WarmUp.of(results, underWay)).isEqualTo(new WarmUp(expected, expectedTooShort));
    }
}
