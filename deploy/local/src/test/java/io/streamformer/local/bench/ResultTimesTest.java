package io.streamformer.local.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

class ResultTimesTest {

    @Test
    void countsWhatCameAfterTheWarmUp() {
        // 100 results, one every 10 ms, in any order; the first fifth came at half the pace.
        long[] millis =
                LongStream.range(0, 100)
                        .map(i -> 99 - i)
                        .map(i -> i < 20 ? i * 20 : 400 + (i - 20) * 10)
                        .toArray();
        WarmUp fifth = WarmUp.of(100, 10);
        Turn turn = new ResultTimes(millis, 1_000, 200).after(fifth, DeviceWork.NONE);
        assertThat(turn.texts()).isEqualTo(80);
        assertThat(turn.seconds()).isEqualTo(0.79);
        assertThat(turn.inputTokens()).isEqualTo(800);
        assertThat(turn.outputTokens()).isEqualTo(160);
        assertThat(turn.tooShort()).isFalse();
        Turn all = new ResultTimes(millis, 1_000, 200).since(-810, DeviceWork.NONE);
        assertThat(all.texts()).isEqualTo(100);
        assertThat(all.seconds()).isEqualTo(2);
        assertThat(all.outputTokens()).isEqualTo(200);
    }

    @Test
    void doesNotCountWhatLeftAtOnceWhenTheJobHadStarted() {
        // 100 a second, but the first 40 came together.
        long[] millis = LongStream.range(0, 200).map(i -> Math.max(i, 40) * 10).toArray();
        ResultTimes times = new ResultTimes(millis, 0, 0);
        Turn turn = times.after(WarmUp.of(200, 40), DeviceWork.NONE);
        assertThat(turn.texts()).isEqualTo(120);
        assertThat(turn.seconds()).isEqualTo(1.19);
        assertThat(times.after(WarmUp.of(200, 51), DeviceWork.NONE).tooShort()).isTrue();
    }

    @Test
    void tellsTheRateOfEachTenth() {
        // 10 a second, and 5 a second in the last tenth.
        long[] millis =
                LongStream.range(0, 1_000)
                        .map(i -> i < 900 ? i * 100 : 90_000 + (i - 900) * 200)
                        .toArray();
        ResultTimes times = new ResultTimes(millis, 0, 0);
        assertThat(times.tenths()).hasSize(10);
        assertThat(times.tenths().subList(0, 9)).containsOnly(10.0);
        assertThat(times.tenths().get(9)).isEqualTo(5);
        assertThat(times.millisAt(0.1)).isEqualTo(10_000);
        assertThat(times.millisAt(1)).isEqualTo(109_800);
    }

    @Test
    void keepsTheTimesAsTheyWere() {
        long[] millis = {3, 1, 2};
        assertThat(new ResultTimes(millis, 0, 0).millisAt(0)).isEqualTo(1);
        assertThat(millis).containsExactly(3, 1, 2);
        assertThatThrownBy(() -> new ResultTimes(new long[1], 0, 0))
                .hasMessageContaining("at least two results, not 1");
    }
}
