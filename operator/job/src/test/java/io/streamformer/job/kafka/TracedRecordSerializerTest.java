package io.streamformer.job.kafka;

import static org.assertj.core.api.Assertions.assertThat;

import io.streamformer.flink.DeadLetters;
import io.streamformer.flink.Origin;
import io.streamformer.flink.Traced;
import io.streamformer.flink.testing.Origins;
import io.streamformer.schemas.Classification;
import io.streamformer.schemas.DeadLetter;
import io.streamformer.schemas.RecordCodec;
import io.streamformer.schemas.testing.Records;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.Header;
import org.junit.jupiter.api.Test;

class TracedRecordSerializerTest {

    private static final byte[] KEY = {1, 2};
    private static final byte[] VALUE = {3, 4, 5};

    @Test
    void kafkaGetsItUnderTheOriginalKeyAndTime() {
        Traced<DeadLetter> letter = letter(Origins.origin(KEY, VALUE), "reason", null);
        TracedRecordSerializer<DeadLetter> serializer =
                new TracedRecordSerializer<>(
                        "text-dead-letters", DeadLetter.class, SinkTimestamp.EVENT);
        serializer.open(null, null);
        ProducerRecord<byte[], byte[]> record = serializer.serialize(letter, null, 5L);
        assertThat(record.topic()).isEqualTo("text-dead-letters");
        assertThat(record.partition()).isNull();
        assertThat(record.key()).isEqualTo(KEY);
        assertThat(record.timestamp()).isEqualTo(Records.TIME.toEpochMilli());
        assertThat(record.value())
                .isEqualTo(RecordCodec.of(DeadLetter.class).encode(letter.value()));
        assertThat(record.headers().toArray())
                .extracting(Header::key)
                .startsWith("traceparent", "empty", "traceparent", "__connect.errors.topic");
        assertThat(record.headers().lastHeader("empty").value()).isNull();
    }

    @Test
    void aRecordWithoutATimeTakesTheStreams() {
        TracedRecordSerializer<Classification> serializer =
                new TracedRecordSerializer<>(
                        "text-sentiment", Classification.class, SinkTimestamp.EVENT);
        serializer.open(null, null);
        Traced<Classification> result = new Traced<>(Records.classification(), Origin.NONE);
        assertThat(serializer.serialize(result, null, 5L).timestamp()).isEqualTo(5);
        assertThat(serializer.serialize(result, null, Long.MIN_VALUE).timestamp()).isNull();
        assertThat(serializer.serialize(result, null, null).timestamp()).isNull();
        assertThat(serializer.serialize(result, null, null).key()).isNull();
    }

    @Test
    void aBackfillMayTakeTheTimeOfWriting() {
        TracedRecordSerializer<Classification> serializer =
                new TracedRecordSerializer<>(
                        "text-sentiment", Classification.class, SinkTimestamp.NOW);
        serializer.open(null, null);
        Traced<Classification> result =
                new Traced<>(Records.classification(), Origins.origin(KEY, VALUE));
        // Without a timestamp the producer takes its own time.
        assertThat(serializer.serialize(result, null, 5L).timestamp()).isNull();
    }

    private static Traced<DeadLetter> letter(Origin origin, String reason, Throwable cause) {
        return DeadLetters.of(origin, "id", "translation", "decode", reason, origin.value(), cause);
    }
}
