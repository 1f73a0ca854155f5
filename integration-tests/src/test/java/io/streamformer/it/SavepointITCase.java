package io.streamformer.it;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.streamformer.job.JobOptions;
import io.streamformer.job.kafka.KafkaOptions;
import io.streamformer.local.Topics;
import io.streamformer.schemas.RecordCodec;
import io.streamformer.schemas.TextEvent;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.IntStream;
import org.apache.flink.api.common.JobStatus;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.core.execution.SavepointFormatType;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * A savepoint of an earlier build is restored, with the 64 events that were under way in it. The
 * file {@code answered.txt} beside it names the results that were written before.
 */
@ExtendWith(LocalStack.Extension.class)
class SavepointITCase {

    /** To write the fixture of a new version: {@code -Dfreeze=true}, with the next number here. */
    private static final String VERSION = "savepoint-1";

    private static final Path FIXTURE = Path.of("src/test/resources", VERSION).toAbsolutePath();
    private static final List<Path> BUNDLES =
            List.of(TestBundles.TINY_SENTIMENT, TestBundles.TINY_TRANSLATION);
    private static final int EVENTS = 3_000;

    private final LocalStack stack;

    SavepointITCase(LocalStack stack) {
        this.stack = stack;
    }

    @Test
    void eventsThatWereUnderWayAreAnsweredOnce() throws Exception {
        TreeSet<String> answered =
                new TreeSet<>(Files.readAllLines(FIXTURE.resolve("answered.txt")));
        send(prefix(), 0, EVENTS);
        try (TestJob job =
                TestJob.restore(stack, prefix(), BUNDLES, SavepointITCase::options, FIXTURE)) {
            send(prefix(), EVENTS, EVENTS + 10);
            // At least once: what left after the savepoint and before the end comes again.
            int all = 2 * (EVENTS + 10);
            List<TestJob.Outcome> outcomes =
                    job.await(some -> identities(some, answered).size() == all);
            assertThat(outcomes).extracting(TestJob::identity).doesNotHaveDuplicates();
        }
    }

    @Test
    @EnabledIfSystemProperty(named = "freeze", matches = "true")
    void freeze() throws Exception {
        send(prefix(), 0, EVENTS);
        Path folder = Files.createTempDirectory("savepoint");
        try (TestJob job = TestJob.fresh(stack, prefix(), BUNDLES, SavepointITCase::options)) {
            while (stack.cluster().miniCluster().getJobStatus(job.job().id()).get()
                    != JobStatus.RUNNING) {
                Thread.sleep(10);
            }
            while (job.readAll("read_uncommitted").isEmpty()) {
                Thread.sleep(10);
            }
            String savepoint =
                    stack.cluster()
                            .miniCluster()
                            .stopWithSavepoint(
                                    job.job().id(),
                                    folder.toUri().toString(),
                                    false,
                                    SavepointFormatType.CANONICAL)
                            .get();
            Files.createDirectories(FIXTURE);
            Files.copy(
                    Path.of(URI.create(savepoint)).resolve("_metadata"),
                    FIXTURE.resolve("_metadata"));
            TreeSet<String> answered = new TreeSet<>();
            job.readAll("read_committed").forEach(one -> answered.add(TestJob.identity(one)));
            assertThat(answered).isNotEmpty().hasSizeLessThan(2 * EVENTS);
            Files.write(FIXTURE.resolve("answered.txt"), answered);
        }
    }

    private static Set<String> identities(List<TestJob.Outcome> outcomes, Set<String> more) {
        Set<String> all = new HashSet<>(more);
        outcomes.forEach(outcome -> all.add(TestJob.identity(outcome)));
        return all;
    }

    /** Few events under way, for a small file. */
    private static void options(JobOptions.Builder options) {
        options.set("model.batch.max-rows", "1")
                .set("model.run-threads", "1")
                .set("model.async.capacity", "32")
                .set(JobOptions.PARALLELISM, 1)
                // A broker that never saw the transactions of the savepoint cannot commit them.
                .set(KafkaOptions.DELIVERY_GUARANTEE, DeliveryGuarantee.AT_LEAST_ONCE)
                .set(JobOptions.CHECKPOINT_INTERVAL, Duration.ofMinutes(1));
    }

    private static String prefix() {
        return VERSION + "-";
    }

    /** Sends events whose places in the topic are the same each time. */
    private void send(String prefix, int from, int to) throws Exception {
        Topics topics = TestJob.topics(prefix, BUNDLES);
        topics.create(stack.bootstrapServers(), 1, Map.of());
        RecordCodec<TextEvent> codec = RecordCodec.of(TextEvent.class);
        try (KafkaProducer<byte[], byte[]> producer =
                new KafkaProducer<>(
                        Map.of(ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, stack.bootstrapServers()),
                        new ByteArraySerializer(),
                        new ByteArraySerializer())) {
            for (ProducerRecord<byte[], byte[]> record :
                    IntStream.range(from, to)
                            .mapToObj(
                                    i ->
                                            new ProducerRecord<byte[], byte[]>(
                                                    topics.events(),
                                                    0,
                                                    1_700_000_000_000L + i,
                                                    ("key-" + i).getBytes(UTF_8),
                                                    codec.encode(
                                                            TextEvent.newBuilder()
                                                                    .setId("event-" + i)
                                                                    .setText(
                                                                            "Message number "
                                                                                    + i
                                                                                    + ".")
                                                                    .setTimestamp(
                                                                            Instant.ofEpochMilli(
                                                                                    1_700_000_000_000L))
                                                                    .build())))
                            .toList()) {
                var unused = producer.send(record);
            }
        }
    }
}
