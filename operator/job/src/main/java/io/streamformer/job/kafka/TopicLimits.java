package io.streamformer.job.kafka;

import io.streamformer.flink.Origin;
import io.streamformer.options.Options;
import java.io.Serializable;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.config.TopicConfig;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What a topic refuses. A record that is refused inside a transaction aborts all others in it, so
 * records are checked before they are sent.
 *
 * @param maxBytes largest record
 * @param maxAgeMillis oldest timestamp that is taken, before now; never negative
 * @param maxAheadMillis newest timestamp that is taken, after now; never negative
 * @param needsKey true for a compacted topic
 */
record TopicLimits(long maxBytes, long maxAgeMillis, long maxAheadMillis, boolean needsKey)
        implements Serializable {

    private static final Logger LOG = LoggerFactory.getLogger(TopicLimits.class);

    /** A record reaches the broker within this time of its check, or half of what is allowed. */
    private static final long MARGIN_MILLIS = 60_000;

    /** What Kafka writes around key, value and headers of a record, at most. */
    private static final long FRAME = 100;

    private static final long HEADER = 10;

    /** Kafka's default of message.timestamp.after.max.ms since 4.0. */
    private static final long DEFAULT_AHEAD_MILLIS = 3_600_000;

    /** The limits of the job's options alone. */
    static TopicLimits of(Options options) {
        return new TopicLimits(
                Math.min(
                        options.get(KafkaOptions.MAX_RECORD_BYTES),
                        Math.min(
                                given(options, ProducerConfig.MAX_REQUEST_SIZE_CONFIG),
                                given(options, ProducerConfig.BUFFER_MEMORY_CONFIG))),
                Long.MAX_VALUE,
                DEFAULT_AHEAD_MILLIS,
                false);
    }

    /** A producer's own limit, where the user sets one. */
    private static long given(Options options, String property) {
        String value = options.get(KafkaOptions.KAFKA_PROPERTIES).get(property);
        return value == null ? Long.MAX_VALUE : Long.parseLong(value.strip());
    }

    /**
     * The limits of a topic, as far as the broker tells them, and the limits of the options.
     *
     * @throws org.apache.kafka.common.KafkaException if the broker does not answer in time
     */
    static TopicLimits ask(Options options, String topic) {
        TopicLimits limits = of(options);
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        Admin admin = BrokerCheck.admin(options);
        try {
            Config config =
                    BrokerCheck.get(admin.describeConfigs(List.of(resource)).all()).get(resource);
            return limits.within(config);
        } catch (org.apache.kafka.common.errors.AuthorizationException e) {
            LOG.info("The limits of {} are not known: {}", topic, e.toString());
            return limits;
        } finally {
            admin.close(java.time.Duration.ZERO);
        }
    }

    private TopicLimits within(Config config) {
        boolean ownTime =
                !"LogAppendTime".equals(text(config, TopicConfig.MESSAGE_TIMESTAMP_TYPE_CONFIG));
        String cleanup = text(config, TopicConfig.CLEANUP_POLICY_CONFIG);
        return new TopicLimits(
                Math.min(
                        maxBytes,
                        number(config, TopicConfig.MAX_MESSAGE_BYTES_CONFIG, Long.MAX_VALUE)),
                ownTime
                        ? number(
                                config,
                                TopicConfig.MESSAGE_TIMESTAMP_BEFORE_MAX_MS_CONFIG,
                                maxAgeMillis)
                        : Long.MAX_VALUE,
                ownTime
                        ? number(
                                config,
                                TopicConfig.MESSAGE_TIMESTAMP_AFTER_MAX_MS_CONFIG,
                                maxAheadMillis)
                        : Long.MAX_VALUE,
                cleanup != null && cleanup.contains(TopicConfig.CLEANUP_POLICY_COMPACT));
    }

    private static String text(Config config, String name) {
        ConfigEntry entry = config.get(name);
        return entry == null ? null : entry.value();
    }

    private static long number(Config config, String name, long otherwise) {
        String text = text(config, name);
        return text == null ? otherwise : Long.parseLong(text);
    }

    /** Bytes of a record, about; Kafka's own count is a little less. */
    static long size(long valueBytes, Origin origin) {
        long size = FRAME + valueBytes + length(origin.key());
        for (Origin.Header header : origin.headers()) {
            size += bytes(header);
        }
        return size;
    }

    static long bytes(Origin.Header header) {
        return HEADER
                + header.name().getBytes(StandardCharsets.UTF_8).length
                + length(header.value());
    }

    private static int length(byte[] bytes) {
        return bytes == null ? 0 : bytes.length;
    }

    /** True where a record with this timestamp is taken; a negative one becomes the time of now. */
    boolean takesTime(long timestamp, long now) {
        return timestamp < 0
                || (now - timestamp <= maxAgeMillis - Math.min(MARGIN_MILLIS, maxAgeMillis / 2)
                        && timestamp - now <= maxAheadMillis);
    }

    /**
     * Why the topic would refuse a record; empty where it would not.
     *
     * @param timestamp of the record in milliseconds since the epoch; negative for none
     */
    Optional<String> refusal(String topic, long size, byte[] key, long timestamp, long now) {
        if (size > maxBytes) {
            return Optional.of(
                    "The record has "
                            + size
                            + " bytes, and "
                            + topic
                            + " takes at most "
                            + maxBytes
                            + ". Raise "
                            + KafkaOptions.MAX_RECORD_BYTES
                            + " and the topic's max.message.bytes.");
        }
        if (needsKey && key == null) {
            return Optional.of(
                    "The event has no key, and "
                            + topic
                            + " is compacted. Give events a key, or set its cleanup.policy to"
                            + " delete.");
        }
        if (!takesTime(timestamp, now)) {
            return Optional.of(
                    "The timestamp "
                            + Instant.ofEpochMilli(timestamp)
                            + " is outside what "
                            + topic
                            + " takes. Set "
                            + KafkaOptions.SINK_TIMESTAMP
                            + " to now, or change the topic's message.timestamp.before.max.ms and"
                            + " message.timestamp.after.max.ms.");
        }
        return Optional.empty();
    }
}
