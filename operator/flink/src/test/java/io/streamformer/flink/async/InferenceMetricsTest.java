package io.streamformer.flink.async;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.reflect.Field;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class InferenceMetricsTest {

    @Test
    void theDocsListEveryMetric() throws Exception {
        String page = Files.readString(Path.of("../docs", "metrics.md"));
        for (Field field : InferenceMetrics.class.getDeclaredFields()) {
            if (field.getType() == String.class) {
                assertThat(page).contains((String) field.get(null));
            }
        }
    }
}
