package io.streamformer.batch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Random;
import org.junit.jupiter.api.Test;

class RunCostTest {

    private static final long MICRO = 1_000;

    private final RunCost cost = new RunCost();

    @Test
    void tellsARunsOwnTimeFromThatOfItsTokens() {
        Random random = new Random(1);
        for (int i = 0; i < 200; i++) {
            int tokens = 10 + random.nextInt(500);
            // 1 ms for the run and 50 microseconds for each token, give or take a tenth.
            double noise = 0.9 + 0.2 * random.nextDouble();
            cost.ran((long) ((1_000 + 50 * tokens) * noise * MICRO), tokens);
        }
        assertThat(cost.fixedTokens()).isCloseTo(20, within(10.0));
        assertThat(cost.tokensWithin(11_000 * MICRO)).isBetween(180, 220);
    }

    @Test
    void keepsWhatItKnewWhereRunsAreAllOfOneSize() {
        for (int tokens = 10; tokens < 100; tokens++) {
            cost.ran((1_000 + 100 * tokens) * MICRO, tokens);
        }
        double known = cost.fixedTokens();
        for (int i = 0; i < 1_000; i++) {
            cost.ran(11_000 * MICRO, 100);
        }
        assertThat(known).isCloseTo(10, within(0.1));
        assertThat(cost.fixedTokens()).isCloseTo(known, within(2.0));
    }

    @Test
    void followsADeviceThatChanges() {
        for (int i = 0; i < 500; i++) {
            int tokens = 10 + i % 90;
            cost.ran((1_000 + 100 * tokens) * MICRO, tokens);
        }
        for (int i = 0; i < 500; i++) {
            int tokens = 10 + i % 90;
            cost.ran((4_000 + 100 * tokens) * MICRO, tokens);
        }
        assertThat(cost.fixedTokens()).isCloseTo(40, within(1.0));
    }

    @Test
    void aRunThatTakesAsLongWhateverItsSizeIsWorthAnyPadding() {
        for (int i = 0; i < 100; i++) {
            cost.ran(5_000 * MICRO, 10 + i);
        }
        assertThat(cost.fixedTokens()).isGreaterThan(10_000);
        assertThat(cost.tokensWithin(MICRO)).isNotNegative();
    }

    @Test
    void guessesBeforeTheFirstRun() {
        assertThat(cost.fixedTokens()).isEqualTo(32);
        assertThat(cost.nanos()).isZero();
        assertThat(cost.tokensWithin(MICRO)).isEqualTo(Integer.MAX_VALUE);
    }
}
