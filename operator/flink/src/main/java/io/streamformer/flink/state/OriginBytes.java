package io.streamformer.flink.state;

import io.streamformer.flink.Origin;
import io.streamformer.flink.Origin.Header;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;

/** Origins as bytes in Flink's state and network. */
final class OriginBytes {

    private OriginBytes() {}

    static void write(Origin origin, DataOutputView out) throws IOException {
        writeBytes(
                origin.topic() == null ? null : origin.topic().getBytes(StandardCharsets.UTF_8),
                out);
        out.writeInt(origin.partition());
        out.writeLong(origin.offset());
        out.writeLong(origin.timestamp());
        writeBytes(origin.key(), out);
        writeBytes(origin.value(), out);
        out.writeInt(origin.headers().size());
        for (Header header : origin.headers()) {
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
}
