package io.streamformer.it;

import static org.assertj.core.api.Assertions.assertThat;

import io.streamformer.job.JobOptions;
import io.streamformer.job.kafka.KafkaOptions;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** What a sink fails with stays in its task: the TaskManager goes on, and no client is left. */
@ExtendWith(LocalStack.Extension.class)
class SinkFailureITCase {

    private final LocalStack stack;

    SinkFailureITCase(LocalStack stack) {
        this.stack = stack;
    }

    @Test
    void aFencedProducerEndsNoTaskManager() throws Exception {
        try (TestJob fenced = start();
                TestJob fencing = start()) {
            Instant end = Instant.now().plus(TestJob.PATIENCE);
            for (int i = 0; stack.attempts(fenced.job()) == 0; i++) {
                assertThat(Instant.now()).as("a job was fenced").isBefore(end);
                fenced.send("fenced-" + i, "Hello!");
                fencing.send("fencing-" + i, "Hello!");
            }
            assertThat(stack.taskManagers()).isEqualTo(1);
        }
        assertThat(stack.taskManagers()).isEqualTo(1);
        Instant end = Instant.now().plus(TestJob.PATIENCE);
        while (adminClients() > 0) {
            assertThat(Instant.now()).as("admin clients are closed").isBefore(end);
            Thread.sleep(50);
        }
    }

    /** A job whose transactions have the names of the other's. */
    private TestJob start() throws Exception {
        return TestJob.start(
                stack,
                List.of(TestBundles.TINY_SENTIMENT),
                options ->
                        options.set(KafkaOptions.TRANSACTION_PREFIX, "same")
                                .set(JobOptions.PARALLELISM, 1)
                                .set(JobOptions.CHECKPOINT_INTERVAL, Duration.ofSeconds(1)));
    }

    private static long adminClients() {
        return Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().startsWith("kafka-admin-client-thread"))
                .count();
    }
}
