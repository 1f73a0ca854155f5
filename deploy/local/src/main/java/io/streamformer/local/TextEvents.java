package io.streamformer.local;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.EncoderFactory;

/** Lines as records of the topic of events. */
public final class TextEvents {

    private TextEvents() {}

    /**
     * A TextEvent in Avro's binary form. Strings and bytes look the same there, so a line that is
     * no UTF-8 reaches the job as it is.
     *
     * @param pairs whether a line is split at its first tab, into a text and its pair
     */
    public static byte[] encode(String id, byte[] line, boolean pairs, long timestamp)
            throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream(line.length + 64);
        BinaryEncoder encoder = EncoderFactory.get().directBinaryEncoder(out, null);
        encoder.writeString(id);
        int tab = pairs ? indexOfTab(line) : line.length;
        encoder.writeBytes(line, 0, tab);
        if (tab < line.length) {
            // text_pair: the second branch of its union.
            encoder.writeIndex(1);
            encoder.writeBytes(line, tab + 1, line.length - tab - 1);
        } else {
            writeNull(encoder);
        }
        writeNull(encoder); // language
        writeNull(encoder); // target_language
        encoder.writeLong(timestamp);
        encoder.writeMapStart();
        encoder.setItemCount(0);
        encoder.writeMapEnd();
        // The fields of later releases have their defaults where a record ends before them.
        encoder.flush();
        return out.toByteArray();
    }

    private static int indexOfTab(byte[] line) {
        int i = 0;
        while (i < line.length && line[i] != '\t') {
            i++;
        }
        return i;
    }

    /** The first branch of an optional field. */
    private static void writeNull(BinaryEncoder encoder) throws IOException {
        encoder.writeIndex(0);
        encoder.writeNull();
    }
}
