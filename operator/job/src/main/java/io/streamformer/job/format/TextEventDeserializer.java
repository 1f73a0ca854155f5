package io.streamformer.job.format;

import io.streamformer.flink.DeadLetters;
import io.streamformer.flink.Origin;
import io.streamformer.flink.Outcome;
import io.streamformer.flink.Traced;
import io.streamformer.flink.state.RecordTypeInfo;
import io.streamformer.schemas.DeadLetter;
import io.streamformer.schemas.EventPriority;
import io.streamformer.schemas.RecordCodec;
import io.streamformer.schemas.TextEvent;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.flink.annotation.Public;
import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.header.Header;

/**
 * Kafka records to text events: each record becomes exactly one event or one dead letter, and none
 * stops the job.
 */
@Public
public final class TextEventDeserializer
        implements KafkaRecordDeserializationSchema<Outcome<TextEvent>> {

    private static final long serialVersionUID = 1L;

    private final InputFormat format;
    private transient RecordCodec<TextEvent> codec;

    public TextEventDeserializer(InputFormat format) {
        this.format = format;
    }

    @Override
    public void open(DeserializationSchema.InitializationContext context) {
        codec = RecordCodec.of(TextEvent.class);
    }

    @Override
    public void deserialize(
            ConsumerRecord<byte[], byte[]> record, Collector<Outcome<TextEvent>> out) {
        Origin origin = originOf(record);
        try {
            out.collect(new Outcome.Success<>(new Traced<>(read(origin), origin)));
        } catch (IOException e) {
            Traced<DeadLetter> letter =
                    DeadLetters.of(
                            origin,
                            null,
                            null,
                            DeadLetters.DESERIALIZE,
                            e.getMessage(),
                            origin.value(),
                            e);
            out.collect(new Outcome.Failure<>(letter));
        }
    }

    private TextEvent read(Origin origin) throws IOException {
        if (origin.value() == null) {
            throw new IOException("The record has no value (a tombstone).");
        }
        return switch (format) {
            case AVRO -> codec.decode(origin.value());
            case TEXT -> textEvent(origin);
        };
    }

    private static TextEvent textEvent(Origin origin) throws IOException {
        String text;
        try {
            text = utf8(origin.value());
        } catch (CharacterCodingException e) {
            throw new IOException("The value is not valid UTF-8: " + e.getMessage(), e);
        }
        return new TextEvent(
                idOf(origin),
                text,
                null,
                null,
                null,
                Instant.EPOCH,
                Map.of(),
                null,
                null,
                EventPriority.NORMAL,
                null);
    }

    private static String idOf(Origin origin) {
        if (origin.key() != null && origin.key().length > 0) {
            try {
                return utf8(origin.key());
            } catch (CharacterCodingException e) {
                // A key that is not text cannot name the event; its place in the topic can.
            }
        }
        return origin.topic() + "-" + origin.partition() + "-" + origin.offset();
    }

    /** Fails where {@code new String} would put replacement characters. */
    private static String utf8(byte[] bytes) throws CharacterCodingException {
        return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
    }

    private static Origin originOf(ConsumerRecord<byte[], byte[]> record) {
        List<Origin.Header> headers = new ArrayList<>();
        for (Header header : record.headers()) {
            headers.add(new Origin.Header(header.key(), header.value()));
        }
        return new Origin(
                record.topic(),
                record.partition(),
                record.offset(),
                record.timestamp(),
                record.key(),
                record.value(),
                headers);
    }

    @Override
    public TypeInformation<Outcome<TextEvent>> getProducedType() {
        return RecordTypeInfo.outcome(TextEvent.class);
    }
}
