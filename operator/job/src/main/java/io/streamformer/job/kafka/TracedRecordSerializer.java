package io.streamformer.job.kafka;

import io.streamformer.flink.Origin;
import io.streamformer.flink.Traced;
import io.streamformer.schemas.RecordCodec;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.apache.avro.specific.SpecificRecordBase;
import org.apache.flink.annotation.Public;
import org.apache.flink.api.common.serialization.SerializationSchema;
import org.apache.flink.connector.kafka.lineage.DefaultKafkaDatasetFacet;
import org.apache.flink.connector.kafka.lineage.DefaultKafkaDatasetIdentifier;
import org.apache.flink.connector.kafka.lineage.KafkaDatasetFacet;
import org.apache.flink.connector.kafka.lineage.KafkaDatasetFacetProvider;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;

/**
 * Results and dead letters to Kafka records: plain Avro binary under the key, the timestamp and the
 * headers that the event came with.
 */
@Public
public final class TracedRecordSerializer<T extends SpecificRecordBase>
        implements KafkaRecordSerializationSchema<Traced<T>>, KafkaDatasetFacetProvider {

    private static final long serialVersionUID = 1L;

    private final String topic;
    private final Class<T> recordClass;
    private final SinkTimestamp timestamps;
    private transient RecordCodec<T> codec;

    public TracedRecordSerializer(String topic, Class<T> recordClass, SinkTimestamp timestamps) {
        this.timestamps = timestamps;
        this.topic = topic;
        this.recordClass = recordClass;
    }

    @Override
    public void open(SerializationSchema.InitializationContext context, KafkaSinkContext sink) {
        codec = RecordCodec.of(recordClass);
    }

    @Override
    public ProducerRecord<byte[], byte[]> serialize(
            Traced<T> traced, KafkaSinkContext context, Long timestamp) {
        Origin origin = traced.origin();
        List<Header> headers = new ArrayList<>(origin.headers().size());
        for (Origin.Header header : origin.headers()) {
            headers.add(new RecordHeader(header.name(), header.value()));
        }
        return new ProducerRecord<>(
                topic,
                null,
                timestamps == SinkTimestamp.NOW ? null : timestampOf(origin, timestamp),
                origin.key(),
                codec.encode(traced.value()),
                headers);
    }

    /** Names the topic, whose open transactions the sink asks the broker for when it starts. */
    @Override
    public Optional<KafkaDatasetFacet> getKafkaDatasetFacet() {
        return Optional.of(
                new DefaultKafkaDatasetFacet(
                        DefaultKafkaDatasetIdentifier.ofTopics(List.of(topic))));
    }

    /** Null lets the producer take the time of now. */
    private static Long timestampOf(Origin origin, Long timestamp) {
        if (origin.timestamp() >= 0) {
            return origin.timestamp();
        }
        // Flink's mark for "no timestamp" is negative, which Kafka refuses.
        return timestamp == null || timestamp < 0 ? null : timestamp;
    }
}
