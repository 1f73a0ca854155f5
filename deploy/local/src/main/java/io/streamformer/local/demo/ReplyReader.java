package io.streamformer.local.demo;

import io.streamformer.bundle.Task;
import io.streamformer.local.DemoTasks;
import io.streamformer.local.Topics;
import io.streamformer.schemas.DeadLetter;
import io.streamformer.schemas.RecordCodec;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Collection;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** Reads what the job committed, from the end of the topics at the time it is made. */
final class ReplyReader implements AutoCloseable {

    private static final RecordCodec<DeadLetter> DEAD_LETTERS = RecordCodec.of(DeadLetter.class);

    /** Receives the outcomes of this run. */
    interface Receiver {
        void accept(String id, Reply reply) throws IOException;
    }

    private final KafkaConsumer<byte[], byte[]> consumer;
    private final Map<String, Task> tasks = new HashMap<>();
    private final Map<Task, RecordCodec<?>> codecs = new EnumMap<>(Task.class);
    private final String run;

    ReplyReader(String bootstrapServers, Topics topics, String run) {
        topics.results()
                .forEach(
                        (task, topic) -> {
                            tasks.put(topic, task);
                            codecs.put(task, RecordCodec.of(DemoTasks.recordClass(task)));
                        });
        this.run = run;
        this.consumer =
                new KafkaConsumer<>(
                        Map.of(
                                ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG,
                                bootstrapServers,
                                // What a failed attempt wrote is not an answer.
                                ConsumerConfig.ISOLATION_LEVEL_CONFIG,
                                "read_committed",
                                ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG,
                                false,
                                ConsumerConfig.FETCH_MAX_WAIT_MS_CONFIG,
                                100),
                        new ByteArrayDeserializer(),
                        new ByteArrayDeserializer());
        Collection<TopicPartition> partitions =
                topics.outcomes().stream()
                        .flatMap(topic -> consumer.partitionsFor(topic).stream())
                        .map(info -> new TopicPartition(info.topic(), info.partition()))
                        .toList();
        consumer.assign(partitions);
        consumer.endOffsets(partitions).forEach(consumer::seek);
    }

    /** Reads until {@link #stop}. */
    void read(Receiver receiver) throws IOException {
        try {
            while (true) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofSeconds(1))) {
                    if (isOfThisRun(record)) {
                        // The key came through untouched even where the event could not be read.
                        receiver.accept(
                                new String(record.key(), StandardCharsets.UTF_8), decode(record));
                    }
                }
            }
        } catch (WakeupException stopped) {
            // The one way out.
        }
    }

    private boolean isOfThisRun(ConsumerRecord<byte[], byte[]> record) {
        Header header = record.headers().lastHeader(Feeder.RUN_HEADER);
        return header != null && run.equals(new String(header.value(), StandardCharsets.UTF_8));
    }

    private Reply decode(ConsumerRecord<byte[], byte[]> record) throws IOException {
        Task task = tasks.get(record.topic());
        return task == null
                ? new Reply.Dead(DEAD_LETTERS.decode(record.value()))
                : new Reply.Answered(task, codecs.get(task).decode(record.value()));
    }

    /** Ends {@link #read} from another thread. */
    void stop() {
        consumer.wakeup();
    }

    @Override
    public void close() {
        consumer.close(CloseOptions.timeout(Duration.ofSeconds(5)));
    }
}
