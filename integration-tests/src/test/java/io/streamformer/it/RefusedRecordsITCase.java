package io.streamformer.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.streamformer.job.JobOptions;
import io.streamformer.job.kafka.KafkaOptions;
import io.streamformer.job.kafka.SinkTimestamp;
import io.streamformer.schemas.Classification;
import io.streamformer.schemas.DeadLetter;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** What a topic refuses becomes a dead letter, and the job goes on. */
@ExtendWith(LocalStack.Extension.class)
class RefusedRecordsITCase {

    private final LocalStack stack;

    RefusedRecordsITCase(LocalStack stack) {
        this.stack = stack;
    }

    @Test
    void recordsThatATopicWouldRefuseAreDeadLetters() throws Exception {
        // The events of a test are from 2023.
        Map<String, String> settings =
                Map.of(
                        "message.timestamp.before.max.ms",
                        String.valueOf(Duration.ofDays(1).toMillis()));
        try (TestJob job =
                TestJob.start(stack, List.of(TestBundles.TINY_SENTIMENT), settings, o -> {})) {
            job.send("old", "Hello!");
            List<TestJob.Outcome> outcomes = job.await(1);
            assertThat(outcomes.get(0).value())
                    .isInstanceOfSatisfying(
                            DeadLetter.class,
                            letter -> {
                                assertThat(letter.getStage()).isEqualTo("serialize");
                                assertThat(letter.getReason())
                                        .contains("The timestamp 2023-", "sink.timestamp to now");
                            });
            assertThat(stack.attempts(job.job())).isZero();
        }
        try (TestJob job =
                TestJob.start(
                        stack,
                        List.of(TestBundles.TINY_SENTIMENT),
                        settings,
                        options -> options.set(KafkaOptions.SINK_TIMESTAMP, SinkTimestamp.NOW))) {
            job.send("old", "Hello!");
            assertThat(job.await(1).get(0).value()).isInstanceOf(Classification.class);
        }
    }

    @Test
    void aPrefixThatAnotherJobWritesUnderIsRefused() throws Exception {
        String prefix = "it-" + UUID.randomUUID();
        ScheduledExecutorService sender = Executors.newSingleThreadScheduledExecutor();
        try (TestJob running = start(prefix)) {
            var unused =
                    sender.scheduleWithFixedDelay(
                            () -> {
                                var unusedRecord = running.sendLater("id", "Hello!");
                            },
                            0,
                            20,
                            TimeUnit.MILLISECONDS);
            running.await(1);
            assertThatThrownBy(() -> start(prefix))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("Another job is writing in transactions")
                    .hasMessageContaining(prefix);
        } finally {
            sender.shutdownNow();
        }
    }

    private TestJob start(String prefix) throws Exception {
        return TestJob.start(
                stack,
                List.of(TestBundles.TINY_SENTIMENT),
                options ->
                        options.set(KafkaOptions.TRANSACTION_PREFIX, prefix)
                                .set(JobOptions.CHECKPOINT_INTERVAL, Duration.ofSeconds(1)));
    }
}
