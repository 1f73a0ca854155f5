package io.streamformer.local.demo;

import io.streamformer.local.EmbeddedKafka;
import io.streamformer.local.LineSource;
import io.streamformer.local.TextEvents;
import io.streamformer.schemas.DeadLetter;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Sends each line of a source to the topic of events; the line's number is its id and its key. */
final class Feeder implements AutoCloseable {

    /** Header that tells the records of this run from the records of others. */
    static final String RUN_HEADER = "streamformer-run";

    /** Receives the outcome of a line that could not be sent. */
    interface Refused {
        void accept(String id, Reply.Dead letter) throws IOException;
    }

    private final KafkaProducer<byte[], byte[]> producer;
    private final String topic;
    private final byte[] run;
    private final boolean pairs;
    private final EventBook book;
    private final Refused refused;
    private volatile IOException failure;

    /**
     * A feeder.
     *
     * @param pairs whether a line is split at its first tab, into a text and its pair
     */
    Feeder(
            String bootstrapServers,
            String topic,
            String run,
            boolean pairs,
            EventBook book,
            Refused refused) {
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
        this.pairs = pairs;
        this.run = run.getBytes(StandardCharsets.UTF_8);
        this.book = book;
        this.refused = refused;
    }

    /**
     * Sends the lines until there are no more, or the thread is interrupted.
     *
     * @return how many lines there were
     */
    long feed(LineSource source) throws IOException, InterruptedException {
        long number = 0;
        for (LineSource.Line line = source.next(); line != null; line = source.next()) {
            number++;
            long now = System.currentTimeMillis();
            book.sending(number, line.bytes(), now);
            send(Long.toString(number), line, now);
            if (failure != null) {
                throw failure;
            }
        }
        producer.flush();
        if (failure != null) {
            throw failure;
        }
        return number;
    }

    private void send(String id, LineSource.Line line, long now) throws IOException {
        if (line.bytes() == null) {
            refused.accept(id, tooLarge(id, line.length()));
            return;
        }
        // The callback hears of every failure.
        Future<RecordMetadata> unused =
                producer.send(
                        new ProducerRecord<>(
                                topic,
                                null,
                                now,
                                id.getBytes(StandardCharsets.UTF_8),
                                TextEvents.encode(id, line.bytes(), pairs, now),
                                List.of(new RecordHeader(RUN_HEADER, run))),
                        (metadata, error) -> {
                            if (error instanceof RecordTooLargeException) {
                                refuse(id, line);
                            } else if (error != null) {
                                failure =
                                        new IOException(
                                                "Line "
                                                        + id
                                                        + " was not taken by the topic "
                                                        + topic
                                                        + ": "
                                                        + error.getMessage(),
                                                error);
                            }
                        });
    }

    private void refuse(String id, LineSource.Line line) {
        try {
            refused.accept(id, tooLarge(id, line.length()));
        } catch (IOException e) {
            failure = e;
        }
    }

    private static Reply.Dead tooLarge(String id, long length) {
        return new Reply.Dead(
                DeadLetter.newBuilder()
                        .setId(id)
                        .setStage("produce")
                        .setReason("The line has " + length + " bytes, more than the topic takes.")
                        .build());
    }

    @Override
    public void close() {
        producer.close(Duration.ofSeconds(5));
    }
}
