package io.streamformer.job.kafka;

import java.io.IOException;
import java.util.Collection;
import java.util.List;
import java.util.Properties;
import org.apache.flink.api.connector.sink2.Committer;
import org.apache.flink.api.connector.sink2.CommitterInitContext;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.sink2.SinkWriter;
import org.apache.flink.api.connector.sink2.StatefulSinkWriter;
import org.apache.flink.api.connector.sink2.SupportsCommitter;
import org.apache.flink.api.connector.sink2.SupportsWriterState;
import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaCommittable;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.sink.KafkaWriterState;
import org.apache.flink.connector.kafka.sink.TransactionNamingStrategy;
import org.apache.flink.connector.kafka.sink.TwoPhaseCommittingStatefulSink.PrecommittingStatefulSinkWriter;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.streaming.api.connector.sink2.CommittableMessage;
import org.apache.flink.streaming.api.connector.sink2.SupportsPostCommitTopology;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.lineage.LineageVertex;
import org.apache.flink.streaming.api.lineage.LineageVertexProvider;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A {@link KafkaSink} whose failures stay in its task.
 *
 * <p>In flink-connector-kafka 5.0.0-2.2 the writer's {@code close()} throws the error of an earlier
 * send again. Flink calls it while it cleans up a failed task, where an exception is fatal: the
 * whole TaskManager ends.
 */
final class ContainedKafkaSink<T>
        implements Sink<T>,
                SupportsWriterState<T, KafkaWriterState>,
                SupportsCommitter<KafkaCommittable>,
                SupportsPostCommitTopology<KafkaCommittable>,
                LineageVertexProvider {

    private static final long serialVersionUID = 1L;

    private static final Logger LOG = LoggerFactory.getLogger(ContainedKafkaSink.class);

    private final KafkaSink<T> sink;
    private final DeliveryGuarantee guarantee;
    private final Properties properties;
    private final String transactionalIdPrefix;
    private final KafkaRecordSerializationSchema<T> serializer;

    private ContainedKafkaSink(
            KafkaSink<T> sink,
            DeliveryGuarantee guarantee,
            Properties properties,
            String transactionalIdPrefix,
            KafkaRecordSerializationSchema<T> serializer) {
        this.sink = sink;
        this.guarantee = guarantee;
        this.properties = properties;
        this.transactionalIdPrefix = transactionalIdPrefix;
        this.serializer = serializer;
    }

    /**
     * A sink.
     *
     * @param properties all settings of the producers, the brokers' addresses too
     * @param transactionalIdPrefix start of its transactional ids, which no other sink has
     */
    static <T> ContainedKafkaSink<T> of(
            DeliveryGuarantee guarantee,
            Properties properties,
            String transactionalIdPrefix,
            KafkaRecordSerializationSchema<T> serializer) {
        KafkaSink<T> sink =
                KafkaSink.<T>builder()
                        .setKafkaProducerConfig(properties)
                        .setBootstrapServers(
                                properties.getProperty(ProducerConfig.BOOTSTRAP_SERVERS_CONFIG))
                        .setRecordSerializer(serializer)
                        .setDeliveryGuarantee(guarantee)
                        .setTransactionalIdPrefix(transactionalIdPrefix)
                        .setTransactionNamingStrategy(TransactionNamingStrategy.POOLING)
                        .build();
        Properties complete = new Properties();
        complete.putAll(properties);
        // KafkaSinkBuilder sets these itself, and warns if they are given.
        String bytes = ByteArraySerializer.class.getName();
        complete.put(ProducerConfig.KEY_SERIALIZER_CLASS_CONFIG, bytes);
        complete.put(ProducerConfig.VALUE_SERIALIZER_CLASS_CONFIG, bytes);
        return new ContainedKafkaSink<>(
                sink, guarantee, complete, transactionalIdPrefix, serializer);
    }

    @Override
    public SinkWriter<T> createWriter(WriterInitContext context) throws IOException {
        return restoreWriter(context, List.of());
    }

    @Override
    public StatefulSinkWriter<T, KafkaWriterState> restoreWriter(
            WriterInitContext context, Collection<KafkaWriterState> states) throws IOException {
        return new Writer<>(
                guarantee == DeliveryGuarantee.EXACTLY_ONCE
                        ? ExactlyOnceWriters.open(
                                properties, transactionalIdPrefix, serializer, context, states)
                        : sink.restoreWriter(context, states));
    }

    @Override
    public Committer<KafkaCommittable> createCommitter(CommitterInitContext context)
            throws IOException {
        return new ContainedCommitter(sink.createCommitter(context));
    }

    @Override
    public SimpleVersionedSerializer<KafkaWriterState> getWriterStateSerializer() {
        return sink.getWriterStateSerializer();
    }

    @Override
    public SimpleVersionedSerializer<KafkaCommittable> getCommittableSerializer() {
        return sink.getCommittableSerializer();
    }

    @Override
    public void addPostCommitTopology(
            DataStream<CommittableMessage<KafkaCommittable>> committables) {
        sink.addPostCommitTopology(committables);
    }

    @Override
    public LineageVertex getLineageVertex() {
        return sink.getLineageVertex();
    }

    private static void closeQuietly(AutoCloseable part) {
        try {
            part.close();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (Exception | LinkageError e) {
            // What failed before has failed the task already; what is open is the broker's to end.
            LOG.warn("A part of a Kafka sink did not close cleanly", e);
        }
    }

    /** Passes on everything but the exceptions of {@code close()}. */
    private static final class Writer<T>
            implements PrecommittingStatefulSinkWriter<T, KafkaWriterState, KafkaCommittable> {

        private final PrecommittingStatefulSinkWriter<T, KafkaWriterState, KafkaCommittable> writer;

        Writer(PrecommittingStatefulSinkWriter<T, KafkaWriterState, KafkaCommittable> writer) {
            this.writer = writer;
        }

        @Override
        public void write(T element, Context context) throws IOException, InterruptedException {
            writer.write(element, context);
        }

        @Override
        public void flush(boolean endOfInput) throws IOException, InterruptedException {
            writer.flush(endOfInput);
        }

        @Override
        public Collection<KafkaCommittable> prepareCommit()
                throws IOException, InterruptedException {
            return writer.prepareCommit();
        }

        @Override
        public List<KafkaWriterState> snapshotState(long checkpointId) throws IOException {
            return writer.snapshotState(checkpointId);
        }

        @Override
        public void close() {
            closeQuietly(writer);
        }
    }

    /** As the writer. */
    private static final class ContainedCommitter implements Committer<KafkaCommittable> {

        private final Committer<KafkaCommittable> committer;

        ContainedCommitter(Committer<KafkaCommittable> committer) {
            this.committer = committer;
        }

        @Override
        public void commit(Collection<CommitRequest<KafkaCommittable>> requests)
                throws IOException, InterruptedException {
            committer.commit(requests);
        }

        @Override
        public void close() {
            closeQuietly(committer);
        }
    }
}
