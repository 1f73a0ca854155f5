package io.streamformer.inference;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class DeviceTest {

    @ParameterizedTest
    @CsvSource({
        "auto, CUDA, 0, false",
        "cuda, CUDA, 0, true",
        "cuda:3, CUDA, 3, true",
        "'cuda:2,0', CUDA, 2 0, true",
    })
    void parses(String text, Device.Provider provider, String indexes, boolean required) {
        List<Integer> expected = Arrays.stream(indexes.split(" ")).map(Integer::valueOf).toList();
        assertThat(Device.parse(text)).isEqualTo(new Device(provider, expected, required));
    }

    @Test
    void eachGpuIsADeviceOfItsOwn() {
        assertThat(Device.parse("cuda:2,0").each()).containsExactly(Device.cuda(2), Device.cuda(0));
        assertThat(Device.CPU.each()).containsExactly(Device.CPU);
    }

    @Test
    void printsWhatItParses() {
        assertThat(Device.AUTO).hasToString("auto");
        assertThat(Device.parse("cpu")).isEqualTo(Device.CPU).hasToString("cpu");
        assertThat(Device.parse("cuda:0,1")).hasToString("cuda:0,1");
        assertThat(Device.cuda(2)).hasToString("cuda:2");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "gpu",
                "CUDA:0",
                "cuda:",
                "cuda:-1",
                "cuda:x",
                "cuda:1,",
                "cpu:0",
                "tensorrt:0"
            })
    void refusesAnythingElse(String text) {
        assertThatThrownBy(() -> Device.parse(text))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageStartingWith("The device is '" + text + "'. Give auto, cpu");
    }

    @Test
    void refusesTheSameGpuTwice() {
        assertThatThrownBy(() -> Device.parse("cuda:1,1"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("but they are [1, 1]");
    }
}
