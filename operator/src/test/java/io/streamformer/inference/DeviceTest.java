package io.streamformer.inference;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class DeviceTest {

    @ParameterizedTest
    @CsvSource({
        "auto, true, 0, false",
        "cpu, false, 0, true",
        "cuda, true, 0, true",
        "cuda:3, true, 3, true",
    })
    void parses(String text, boolean cuda, int index, boolean required) {
        assertThat(Device.parse(text)).isEqualTo(new Device(cuda, index, required));
    }

    @Test
    void printsWhatItParses() {
        assertThat(Device.AUTO).hasToString("auto");
        assertThat(Device.CPU).hasToString("cpu");
        assertThat(Device.cuda(2)).hasToString("cuda:2");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "gpu", "CUDA:0", "cuda:", "cuda:-1", "cuda:x", "cpu:0"})
    void refusesAnythingElse(String text) {
        assertThatThrownBy(() -> Device.parse(text))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("device is auto, cpu or cuda:N, seen '" + text + "'");
    }
}
