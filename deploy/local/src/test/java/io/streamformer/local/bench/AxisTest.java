package io.streamformer.local.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;

class AxisTest {

    @Test
    void hasRoundTicksFromZero() {
        Axis axis = Axis.linear(2_173, 300);
        assertThat(axis.ticks()).containsExactly(0.0, 500.0, 1_000.0, 1_500.0, 2_000.0, 2_500.0);
        assertThat(axis.at(0)).isZero();
        assertThat(axis.at(1_250)).isEqualTo(150, within(1e-9));
        assertThat(Axis.linear(0.8, 300).ticks()).hasSize(5).endsWith(0.8);
    }

    @Test
    void hasDecadesOfEqualLength() {
        Axis axis = Axis.logarithmic(7, 183, 300);
        assertThat(axis.ticks()).containsExactly(1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0);
        assertThat(axis.at(10) - axis.at(1)).isEqualTo(axis.at(100) - axis.at(10), within(1e-9));
        assertThat(axis.at(200)).isEqualTo(300, within(1e-9));
    }
}
