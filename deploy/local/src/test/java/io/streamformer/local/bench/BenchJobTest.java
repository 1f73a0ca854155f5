package io.streamformer.local.bench;

import static org.assertj.core.api.Assertions.assertThat;

import io.streamformer.bundle.DecodingOptions;
import io.streamformer.bundle.Task;
import io.streamformer.engine.ModelOptions;
import io.streamformer.inference.Device;
import io.streamformer.job.JobOptions;
import io.streamformer.options.Options;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class BenchJobTest {

    @Test
    void runsTheBundleAsTheRawCeilingDoes() {
        Options options =
                Options.DEFAULTS
                        .with(ModelOptions.VARIANT, "fp16")
                        .with(ModelOptions.DEVICE, Device.parse("cuda:1"))
                        .with(ModelOptions.MAX_ROWS, 512)
                        .with(ModelOptions.MAX_TOKENS, 65_536)
                        .with(DecodingOptions.NUM_BEAMS, 4);
        BenchJob job =
                BenchJob.closedLoop(
                        "events",
                        Task.TEXT_CLASSIFICATION,
                        "sentiment",
                        Path.of("bundle"),
                        options,
                        2);

        JobOptions given = job.jobOptions("localhost:9092", "run");

        assertThat(given.get(ModelOptions.VARIANT)).isEqualTo("fp16");
        assertThat(given.get(ModelOptions.DEVICE)).isEqualTo(Device.cuda(1));
        assertThat(given.get(ModelOptions.MAX_ROWS)).isEqualTo(512);
        assertThat(given.get(ModelOptions.MAX_TOKENS)).isEqualTo(65_536);
        assertThat(given.get(DecodingOptions.NUM_BEAMS)).isEqualTo(4);
    }
}
