package io.streamformer.inference.ort;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Map;
import org.junit.jupiter.api.Test;

class SessionFactoryTest {

    @Test
    void leavesOutTheAttentionThatIsPlannedForEachShape() {
        assertThat(SessionFactory.cudaOptions(Map.of("gpu_mem_limit", "1000")))
                .containsOnly(
                        Map.entry("arena_extend_strategy", "kSameAsRequested"),
                        Map.entry("sdpa_kernel", "119"),
                        Map.entry("gpu_mem_limit", "1000"));
    }

    @Test
    void takesWhatTheUserGives() {
        assertThat(
                        SessionFactory.cudaOptions(
                                Map.of(
                                        "sdpa_kernel", "0",
                                        "arena_extend_strategy", "kNextPowerOfTwo")))
                .containsOnly(
                        Map.entry("sdpa_kernel", "0"),
                        Map.entry("arena_extend_strategy", "kNextPowerOfTwo"));
    }
}
