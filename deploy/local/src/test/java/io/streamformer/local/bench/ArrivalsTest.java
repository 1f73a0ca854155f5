package io.streamformer.local.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;

class ArrivalsTest {

    @Test
    void comeAtTheRateButNotEvenly() {
        Arrivals arrivals = new Arrivals(1_000);
        long last = 0;
        int within = 0;
        for (int i = 0; i < 100_000; i++) {
            long at = arrivals.next();
            assertThat(at).isGreaterThanOrEqualTo(last);
            within += at - last < 1_000_000 ? 1 : 0;
            last = at;
        }
        assertThat(last / 1e9).isEqualTo(100, within(1.0));
        // Of exponential gaps, 1 - 1/e are shorter than their mean.
        assertThat(within / 1e5).isEqualTo(1 - 1 / Math.E, within(0.01));
    }

    @Test
    void areTheSameEachTime() {
        Arrivals one = new Arrivals(5);
        Arrivals other = new Arrivals(5);
        for (int i = 0; i < 100; i++) {
            assertThat(one.next()).isEqualTo(other.next());
        }
    }
}
