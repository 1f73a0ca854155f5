package io.streamformer.local.bench;

import io.streamformer.local.EmbeddedKafka;
import io.streamformer.local.TextEvents;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Sends texts as events of many keys to a topic; an event's number is its id. */
final class EventSender implements AutoCloseable {

    /** As many senders of messages, say; each stays in one partition. */
    private static final int KEYS = 1_000;

    private final KafkaProducer<byte[], byte[]> producer;
    private final String topic;
    private final int partitions;
    private volatile Exception failure;
    private long sent;

    EventSender(String bootstrapServers, String topic) {
        this.producer =
                new KafkaProducer<>(
                        Map.of(
                                ProducerConfig.BOOTSTRAP_SERVERS_CONFIG,
                                bootstrapServers,
                                ProducerConfig.MAX_REQUEST_SIZE_CONFIG,
                                EmbeddedKafka.MAX_RECORD_BYTES),
                        new ByteArraySerializer(),
                        new ByteArraySerializer());
        this.topic = topic;
        this.partitions = producer.partitionsFor(topic).size();
    }

    /** Sends a text; the partitions take turns. */
    void send(String text, List<Header> headers) throws IOException {
        check();
        int partition = (int) (sent % partitions);
        sent++;
        String id = Long.toString(sent);
        // The callback hears of every failure.
        Future<RecordMetadata> unused =
                producer.send(
                        new ProducerRecord<>(
                                topic,
                                partition,
                                Long.toString(sent % KEYS).getBytes(StandardCharsets.UTF_8),
                                TextEvents.encode(
                                        id,
                                        text.getBytes(StandardCharsets.UTF_8),
                                        false,
                                        System.currentTimeMillis()),
                                headers),
                        (metadata, error) -> {
                            if (error != null) {
                                failure = error;
                            }
                        });
    }

    /** Waits until the topic has taken every event. */
    void flush() throws IOException {
        producer.flush();
        check();
    }

    private void check() throws IOException {
        if (failure != null) {
            throw new IOException(
                    "An event was not taken by the topic " + topic + ": " + failure.getMessage(),
                    failure);
        }
    }

    @Override
    public void close() {
        producer.close();
    }
}
