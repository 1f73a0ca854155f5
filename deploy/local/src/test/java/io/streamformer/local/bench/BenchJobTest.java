package io.streamformer.local.bench;

import static org.assertj.core.api.Assertions.assertThat;

import io.streamformer.flink.JobOptions;
import io.streamformer.inference.Device;
import io.streamformer.local.DemoTask;
import io.streamformer.pipeline.PipelineOptions;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class BenchJobTest {

    @Test
    void runsTheBundleAsTheRawCeilingDoes() {
        PipelineOptions options =
                PipelineOptions.builder()
                        .variant("fp16")
                        .device(Device.parse("cuda:1"))
                        .maxBatchRows(512)
                        .maxBatchTokens(65_536)
                        .numBeams(4)
                        .build();
        BenchJob job =
                BenchJob.closedLoop(
                        "events", DemoTask.SENTIMENT, "sentiment", Path.of("bundle"), options, 2);

        JobOptions given = job.jobOptions("localhost:9092", "run");

        assertThat(given.get(JobOptions.VARIANT)).isEqualTo("fp16");
        assertThat(given.get(JobOptions.DEVICE)).isEqualTo("cuda:1");
        assertThat(given.get(JobOptions.BATCH_MAX_ROWS)).isEqualTo(512);
        assertThat(given.get(JobOptions.BATCH_MAX_TOKENS)).isEqualTo(65_536);
        assertThat(given.get(JobOptions.NUM_BEAMS)).isEqualTo(4);
    }
}
