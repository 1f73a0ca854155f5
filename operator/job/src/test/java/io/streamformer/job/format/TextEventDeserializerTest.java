package io.streamformer.job.format;

import static org.assertj.core.api.Assertions.assertThat;

import io.streamformer.flink.Origin;
import io.streamformer.flink.Outcome;
import io.streamformer.flink.Traced;
import io.streamformer.schemas.DeadLetter;
import io.streamformer.schemas.RecordCodec;
import io.streamformer.schemas.TextEvent;
import io.streamformer.schemas.testing.Records;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.apache.flink.api.common.functions.util.ListCollector;
import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.metrics.groups.UnregisteredMetricsGroup;
import org.apache.flink.util.SimpleUserCodeClassLoader;
import org.apache.flink.util.UserCodeClassLoader;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.record.TimestampType;
import org.junit.jupiter.api.Test;

class TextEventDeserializerTest {

    private static final byte[] KEY = Records.utf8("key");

    @Test
    void anAvroEventKeepsWhereItCameFrom() {
        byte[] value = RecordCodec.of(TextEvent.class).encode(Records.fullEvent());
        Traced<TextEvent> event = success(InputFormat.AVRO, KEY, value);
        assertThat(event.value()).isEqualTo(Records.fullEvent());
        assertThat(event.origin())
                .isEqualTo(
                        new Origin(
                                "text-events",
                                3,
                                42,
                                7,
                                KEY,
                                value,
                                List.of(new Origin.Header("h", null))));
    }

    @Test
    void aTextIsItsValue() {
        Traced<TextEvent> event = success(InputFormat.TEXT, KEY, Records.utf8("Hello 👋\u0000"));
        assertThat(event.value().getText()).isEqualTo("Hello 👋\u0000");
        assertThat(event.value().getId()).isEqualTo("key");
    }

    @Test
    void aTextWithoutAReadableKeyIsNamedByItsPlace() {
        for (byte[] key : new byte[][] {null, {}, {(byte) 0xFF}}) {
            Traced<TextEvent> event = success(InputFormat.TEXT, key, Records.utf8("Hello"));
            assertThat(event.value().getId()).isEqualTo("text-events-3-42");
        }
    }

    @Test
    void blankAndHugeTextsAreEvents() {
        assertThat(success(InputFormat.TEXT, KEY, new byte[0]).value().getText()).isEmpty();
        byte[] huge = new byte[1 << 20];
        Arrays.fill(huge, (byte) 'x');
        assertThat(success(InputFormat.TEXT, KEY, huge).value().getText()).hasSize(1 << 20);
    }

    @Test
    void aTombstoneIsADeadLetter() {
        for (InputFormat format : InputFormat.values()) {
            DeadLetter letter = failure(format, null, null).value();
            assertThat(letter.getStage()).isEqualTo("deserialize");
            assertThat(letter.getReason()).contains("no value (a tombstone)");
            assertThat(letter.getValue()).isNull();
            assertThat(letter.getTask()).isNull();
        }
    }

    @Test
    void invalidUtf8IsADeadLetter() {
        byte[] value = {'a', (byte) 0xC3, '('};
        Traced<DeadLetter> letter = failure(InputFormat.TEXT, KEY, value);
        assertThat(letter.value().getReason()).contains("valid UTF-8");
        assertThat(letter.value().getValue()).isEqualTo(ByteBuffer.wrap(value));
    }

    @Test
    void malformedAvroIsADeadLetterWithAllThatCame() {
        byte[] value = {(byte) 0xFE, 1, 2};
        Traced<DeadLetter> letter = failure(InputFormat.AVRO, KEY, value);
        assertThat(letter.value().getReason()).contains("not a TextEvent as Avro binary");
        assertThat(letter.value().getValue()).isEqualTo(ByteBuffer.wrap(value));
        assertThat(letter.value().getTopic()).isEqualTo("text-events");
        assertThat(letter.value().getPartition()).isEqualTo(3);
        assertThat(letter.value().getOffset()).isEqualTo(42);
        assertThat(letter.origin().key()).isEqualTo(KEY);
        assertThat(letter.origin().headers())
                .startsWith(new Origin.Header("h", null))
                .contains(new Origin.Header("__connect.errors.stage", Records.utf8("deserialize")));
    }

    @Test
    void aRecordOfANewerRevisionIsADeadLetter() {
        byte[] value = RecordCodec.of(TextEvent.class).encode(Records.fullEvent());
        byte[] newer = Arrays.copyOf(value, value.length + 3);
        assertThat(failure(InputFormat.AVRO, KEY, newer).value().getReason())
                .contains("the value has 3 bytes after the end of the TextEvent");
    }

    private static Traced<TextEvent> success(InputFormat format, byte[] key, byte[] value) {
        return ((Outcome.Success<TextEvent>) deserialize(format, key, value)).result();
    }

    private static Traced<DeadLetter> failure(InputFormat format, byte[] key, byte[] value) {
        return ((Outcome.Failure<TextEvent>) deserialize(format, key, value)).deadLetter();
    }

    private static Outcome<TextEvent> deserialize(InputFormat format, byte[] key, byte[] value) {
        TextEventDeserializer deserializer = new TextEventDeserializer(format);
        deserializer.open(new Context());
        RecordHeaders headers = new RecordHeaders();
        headers.add("h", null);
        ConsumerRecord<byte[], byte[]> record =
                new ConsumerRecord<>(
                        "text-events",
                        3,
                        42,
                        7,
                        TimestampType.CREATE_TIME,
                        -1,
                        -1,
                        key,
                        value,
                        headers,
                        Optional.empty());
        List<Outcome<TextEvent>> out = new java.util.ArrayList<>();
        deserializer.deserialize(record, new ListCollector<>(out));
        assertThat(out).hasSize(1);
        return out.get(0);
    }

    private static final class Context implements DeserializationSchema.InitializationContext {
        @Override
        public MetricGroup getMetricGroup() {
            return new UnregisteredMetricsGroup();
        }

        @Override
        public UserCodeClassLoader getUserCodeClassLoader() {
            return SimpleUserCodeClassLoader.create(getClass().getClassLoader());
        }
    }
}
