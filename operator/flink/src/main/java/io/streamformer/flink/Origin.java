package io.streamformer.flink;

import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.apache.flink.annotation.Public;

/**
 * The Kafka record that an event came in: where it lay, and what a result or dead letter carries on
 * from it. Its arrays are never written to.
 *
 * @param topic the topic; null where the event did not come from Kafka
 * @param partition the partition; -1 where unknown
 * @param offset the offset; -1 where unknown
 * @param timestamp the record's timestamp in milliseconds since the epoch; -1 where it has none
 * @param key the key as it came; null where the record had none
 * @param value the value as it came; null where the record had none
 * @param headers the headers in their order; a name may stand more than once
 */
@SuppressWarnings("ArrayRecordComponent") // equals and hashCode compare contents
@Public
public record Origin(
        String topic,
        int partition,
        long offset,
        long timestamp,
        byte[] key,
        byte[] value,
        List<Header> headers) {

    /** The origin of an event that did not come from Kafka. */
    public static final Origin NONE = new Origin(null, -1, -1, -1, null, null, List.of());

    public Origin {
        headers = List.copyOf(headers);
    }

    /** One header; its value may be null. */
    @SuppressWarnings("ArrayRecordComponent") // equals and hashCode compare contents
    public record Header(String name, byte[] value) {
        public Header {
            Objects.requireNonNull(name, "name");
        }

        @Override
        public boolean equals(Object other) {
            return other instanceof Header that
                    && name.equals(that.name)
                    && Arrays.equals(value, that.value);
        }

        @Override
        public int hashCode() {
            return 31 * name.hashCode() + Arrays.hashCode(value);
        }
    }

    /** The same without the value: what a dead letter needs, which holds the value itself. */
    public Origin withoutValue() {
        return new Origin(topic, partition, offset, timestamp, key, null, headers);
    }

    /** The same with another timestamp. */
    public Origin withTimestamp(long millis) {
        return new Origin(topic, partition, offset, millis, key, value, headers);
    }

    /** The same with another key and other headers. */
    public Origin withKeyAndHeaders(byte[] newKey, List<Header> newHeaders) {
        return new Origin(topic, partition, offset, timestamp, newKey, value, newHeaders);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Origin that
                && Objects.equals(topic, that.topic)
                && partition == that.partition
                && offset == that.offset
                && timestamp == that.timestamp
                && Arrays.equals(key, that.key)
                && Arrays.equals(value, that.value)
                && headers.equals(that.headers);
    }

    @Override
    public int hashCode() {
        return Objects.hash(topic, partition, offset);
    }

    @Override
    public String toString() {
        return topic == null ? "no topic" : topic + "-" + partition + "@" + offset;
    }
}
