package io.streamformer.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class LatencyHistogramTest {

    @Test
    void isEmptyAtFirst() {
        LatencyHistogram histogram = new LatencyHistogram();

        assertThat(histogram.count()).isZero();
        assertThat(histogram.percentileNanos(0.99)).isZero();
    }

    @ParameterizedTest
    @ValueSource(longs = {0, 1, 7, 8, 9, 1_000, 123_456_789, Long.MAX_VALUE})
    void isAtMostAnEighthAboveTheValue(long value) {
        LatencyHistogram histogram = new LatencyHistogram();
        histogram.record(value);

        long seen = histogram.percentileNanos(0.5);

        assertThat(seen).isGreaterThanOrEqualTo(value);
        assertThat(seen - value).isLessThanOrEqualTo(value / 8);
    }

    @Test
    void givesPercentiles() {
        LatencyHistogram histogram = new LatencyHistogram();
        for (int i = 1; i <= 1_000; i++) {
            histogram.record(i * 1_000L);
        }

        assertThat(histogram.count()).isEqualTo(1_000);
        assertThat(histogram.meanNanos()).isEqualTo(500_500);
        assertThat(histogram.percentileNanos(0.5)).isBetween(500_000L, 563_000L);
        assertThat(histogram.percentileNanos(0.99)).isBetween(990_000L, 1_115_000L);
        assertThat(histogram.percentileNanos(1)).isBetween(1_000_000L, 1_125_000L);
    }

    @Test
    void forgetsWhatIsLongAgo() {
        AtomicLong now = new AtomicLong();
        LatencyHistogram histogram = new LatencyHistogram(now::get);
        long window = LatencyHistogram.WINDOW.toNanos();
        histogram.record(1_000_000);

        now.addAndGet(window);
        histogram.record(1_000);
        assertThat(histogram.percentileNanos(1)).isGreaterThanOrEqualTo(1_000_000);
        now.addAndGet(window);
        assertThat(histogram.percentileNanos(1)).isBetween(1_000L, 1_125L);
        assertThat(histogram.meanNanos()).isEqualTo(1_000);
        now.addAndGet(5 * window);
        assertThat(histogram.percentileNanos(1)).isZero();
        assertThat(histogram.meanNanos()).isZero();
        assertThat(histogram.count()).as("since the start").isEqualTo(2);
    }
}
