package io.streamformer.flink;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import org.apache.avro.AvroRuntimeException;
import org.apache.avro.Schema;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.DatumReader;
import org.apache.avro.io.DatumWriter;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;
import org.apache.avro.specific.SpecificData;
import org.apache.avro.specific.SpecificRecordBase;

/**
 * The bytes of the topics: one record as plain Avro binary, without a frame and without a schema
 * registry. Several threads may use one codec.
 *
 * <p>Plain binary does not say which schema wrote it, so producer and job use the same revision of
 * the schema. A record of a revision with more fields is refused, not misread.
 *
 * @param <T> a record of the topics: {@code TextEvent}, {@code Classification}, {@code Translation}
 *     or {@code DeadLetter}
 */
public final class RecordCodec<T extends SpecificRecordBase> {

    static {
        TrustedRecords.ensure();
    }

    private final Schema schema;
    private final DatumWriter<T> writer;
    private final DatumReader<T> reader;

    @SuppressWarnings("unchecked") // Avro's factories do not know the record's class
    private RecordCodec(Class<T> recordClass) {
        SpecificData data = SpecificData.getForClass(recordClass);
        schema = data.getSchema(recordClass);
        writer = (DatumWriter<T>) data.createDatumWriter(schema);
        reader = (DatumReader<T>) data.createDatumReader(schema);
    }

    /** The codec of a class of records. */
    public static <T extends SpecificRecordBase> RecordCodec<T> of(Class<T> recordClass) {
        return new RecordCodec<>(recordClass);
    }

    /** The record as bytes. */
    public byte[] encode(T record) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream(256);
        BinaryEncoder encoder = EncoderFactory.get().directBinaryEncoder(bytes, null);
        try {
            writer.write(record, encoder);
            encoder.flush();
        } catch (IOException e) {
            throw new AssertionError("writing to memory cannot fail: this is a bug", e);
        }
        return bytes.toByteArray();
    }

    /**
     * The record that the bytes hold.
     *
     * @throws IOException if they are anything else than exactly one record: the rule, and the
     *     value seen
     */
    public T decode(byte[] value) throws IOException {
        try {
            AvroShape.check(schema, value);
            return reader.read(null, DecoderFactory.get().binaryDecoder(value, null));
        } catch (AvroRuntimeException e) {
            throw new IOException(
                    "not a "
                            + schema.getName()
                            + " as Avro binary: "
                            + e.getMessage()
                            + hint(value),
                    e);
        }
    }

    private static String hint(byte[] value) {
        return value.length > 5 && value[0] == 0
                ? "; the first byte is 0 as in a schema registry's frame: write plain Avro binary"
                : "";
    }
}
