package io.streamformer.job.kafka;

import io.streamformer.flink.Outcome;
import io.streamformer.flink.Traced;
import io.streamformer.job.format.TextEventDeserializer;
import io.streamformer.options.Options;
import io.streamformer.schemas.TextEvent;
import java.util.Collection;
import java.util.Properties;
import java.util.SortedSet;
import java.util.TreeSet;
import org.apache.avro.specific.SpecificRecordBase;
import org.apache.flink.annotation.Internal;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.KafkaSourceBuilder;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.OffsetResetStrategy;
import org.apache.kafka.clients.producer.ProducerConfig;

/** The ends of the job in Kafka: its source and its sinks. */
@Internal
public final class KafkaTopics {

    /** Kafka's own default of max.request.size. */
    private static final long DEFAULT_REQUEST = 1 << 20;

    /** Kafka's own default of buffer.memory. */
    private static final long DEFAULT_BUFFER = 32 << 20;

    private static final String TRANSACTIONAL_LINGER_MILLIS = "100";
    private static final String TRANSACTIONAL_BATCH_BYTES = String.valueOf(128 << 10);

    private final Options options;
    private final String transactionPrefix;

    /**
     * The topics of a job.
     *
     * @param routes bundle and topic of each of its results
     */
    public KafkaTopics(Options options, Collection<String> routes) {
        this.options = options;
        transactionPrefix =
                options.find(KafkaOptions.TRANSACTION_PREFIX)
                        .orElseGet(() -> defaultPrefix(options, routes));
    }

    /**
     * The prefix of a job that sets none. Jobs with other bundles or topics have other ones; the
     * same job has the same, so that it finds what an earlier run left open.
     */
    private static String defaultPrefix(Options options, Collection<String> routes) {
        SortedSet<String> topics = new TreeSet<>(routes);
        topics.add(options.get(KafkaOptions.INPUT_TOPIC));
        topics.add(options.get(KafkaOptions.DEAD_LETTER_TOPIC));
        String group = options.get(KafkaOptions.INPUT_GROUP_ID);
        return "streamformer-" + group + "-" + Integer.toHexString(topics.toString().hashCode());
    }

    /** Start of the transactional ids of all sinks of the job. */
    public String transactionPrefix() {
        return transactionPrefix;
    }

    /** The source of events; it sees committed records only. */
    public KafkaSource<Outcome<TextEvent>> source() {
        KafkaSourceBuilder<Outcome<TextEvent>> source =
                KafkaSource.<Outcome<TextEvent>>builder()
                        .setBootstrapServers(options.get(KafkaOptions.BOOTSTRAP_SERVERS))
                        .setKafkaSubscriber(new InputTopic(options.get(KafkaOptions.INPUT_TOPIC)))
                        .setGroupId(options.get(KafkaOptions.INPUT_GROUP_ID))
                        .setStartingOffsets(start())
                        .setDeserializer(
                                new TextEventDeserializer(options.get(KafkaOptions.INPUT_FORMAT)))
                        .setProperty(ConsumerConfig.ISOLATION_LEVEL_CONFIG, "read_committed")
                        .setProperties(clientProperties());
        if (options.get(KafkaOptions.INPUT_BOUNDED)) {
            source.setBounded(OffsetsInitializer.latest());
        }
        return source.build();
    }

    @SuppressWarnings("deprecation") // the connector's API takes Kafka's deprecated enum
    private OffsetsInitializer start() {
        return switch (options.get(KafkaOptions.INPUT_START)) {
            case COMMITTED, RESUME_COMMITTED ->
                    OffsetsInitializer.committedOffsets(OffsetResetStrategy.EARLIEST);
            case EARLIEST -> OffsetsInitializer.earliest();
            case LATEST -> OffsetsInitializer.latest();
        };
    }

    /**
     * The sink of a topic.
     *
     * @param role what the sink is for; part of its transactional ids
     */
    public <T extends SpecificRecordBase> Sink<Traced<T>> sink(
            String topic, Class<T> recordClass, String role) {
        return ContainedKafkaSink.of(
                options.get(KafkaOptions.DELIVERY_GUARANTEE),
                producerProperties(),
                // The sink aborts whatever it finds open under ids that start with its prefix. The
                // slash at the end keeps it from the ids of a sink whose role starts like its own.
                transactionPrefix + "/" + role + "/",
                new TracedRecordSerializer<>(
                        topic, recordClass, options.get(KafkaOptions.SINK_TIMESTAMP)));
    }

    private Properties producerProperties() {
        long request = Math.max(DEFAULT_REQUEST, options.get(KafkaOptions.MAX_RECORD_BYTES) * 2);
        Properties properties = new Properties();
        properties.put(
                ProducerConfig.BOOTSTRAP_SERVERS_CONFIG,
                options.get(KafkaOptions.BOOTSTRAP_SERVERS));
        properties.put(ProducerConfig.MAX_REQUEST_SIZE_CONFIG, String.valueOf(request));
        // A producer refuses a record that is larger than its buffer.
        properties.put(
                ProducerConfig.BUFFER_MEMORY_CONFIG,
                String.valueOf(Math.max(DEFAULT_BUFFER, 2 * request)));
        properties.put(
                ProducerConfig.TRANSACTION_TIMEOUT_CONFIG,
                String.valueOf(options.get(KafkaOptions.TRANSACTION_TIMEOUT).toMillis()));
        if (options.get(KafkaOptions.DELIVERY_GUARANTEE) == DeliveryGuarantee.EXACTLY_ONCE) {
            // Nobody reads a result before its transaction is committed, and that sends what still
            // lingers: waiting for fuller requests costs no time and spares the broker.
            properties.put(ProducerConfig.LINGER_MS_CONFIG, TRANSACTIONAL_LINGER_MILLIS);
            properties.put(ProducerConfig.BATCH_SIZE_CONFIG, TRANSACTIONAL_BATCH_BYTES);
        }
        properties.putAll(clientProperties());
        return properties;
    }

    private Properties clientProperties() {
        Properties properties = new Properties();
        properties.putAll(options.get(KafkaOptions.KAFKA_PROPERTIES));
        return properties;
    }
}
