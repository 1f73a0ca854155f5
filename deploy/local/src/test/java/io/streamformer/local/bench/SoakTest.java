package io.streamformer.local.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

class SoakTest {

    private final ResultTimes times =
            new ResultTimes(LongStream.range(0, 1_000).map(i -> i * 100).toArray(), 0, 0);

    @Test
    void comparesMemoryFromTheEndOfTheWarmUpOn() {
        Soak soak =
                Soak.of(
                        times,
                        List.of(
                                new ResidentMemory.Sample(0, 5_000),
                                new ResidentMemory.Sample(10_500, 1_000),
                                new ResidentMemory.Sample(50_000, 1_040),
                                new ResidentMemory.Sample(100_000, 1_010)));
        assertThat(soak.warm()).isEqualTo(1_000);
        assertThat(soak.growth(soak.end())).isEqualTo(0.01, within(1e-9));
        assertThat(soak.growth(soak.most())).isEqualTo(0.04, within(1e-9));
        assertThat(soak.lastOfFirst()).isEqualTo(1, within(0.02));
    }

    @Test
    void takesALookAtMemory() {
        List<ResidentMemory.Sample> early = List.of(new ResidentMemory.Sample(0, 1));
        assertThatThrownBy(() -> Soak.of(times, early)).hasMessageContaining("more --records");
    }
}
