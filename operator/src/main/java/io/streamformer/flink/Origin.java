package io.streamformer.flink;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;

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
    Origin withoutValue() {
        return new Origin(topic, partition, offset, timestamp, key, null, headers);
    }

    Origin withKeyAndHeaders(byte[] newKey, List<Header> newHeaders) {
        return new Origin(topic, partition, offset, timestamp, newKey, value, newHeaders);
    }

    void write(DataOutputView out) throws IOException {
        writeBytes(topic == null ? null : topic.getBytes(StandardCharsets.UTF_8), out);
        out.writeInt(partition);
        out.writeLong(offset);
        out.writeLong(timestamp);
        writeBytes(key, out);
        writeBytes(value, out);
        out.writeInt(headers.size());
        for (Header header : headers) {
            // Not writeUTF: a header's name may be longer than the 64 KiB which that allows.
            writeBytes(header.name().getBytes(StandardCharsets.UTF_8), out);
            writeBytes(header.value(), out);
        }
    }

    static Origin read(DataInputView in) throws IOException {
        byte[] topic = readBytes(in);
        int partition = in.readInt();
        long offset = in.readLong();
        long timestamp = in.readLong();
        byte[] key = readBytes(in);
        byte[] value = readBytes(in);
        int count = in.readInt();
        List<Header> headers = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            String name = new String(readBytes(in), StandardCharsets.UTF_8);
            headers.add(new Header(name, readBytes(in)));
        }
        return new Origin(
                topic == null ? null : new String(topic, StandardCharsets.UTF_8),
                partition,
                offset,
                timestamp,
                key,
                value,
                headers);
    }

    private static void writeBytes(byte[] bytes, DataOutputView out) throws IOException {
        out.writeInt(bytes == null ? -1 : bytes.length);
        if (bytes != null) {
            out.write(bytes);
        }
    }

    private static byte[] readBytes(DataInputView in) throws IOException {
        int length = in.readInt();
        if (length < 0) {
            return null;
        }
        byte[] bytes = new byte[length];
        in.readFully(bytes);
        return bytes;
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
