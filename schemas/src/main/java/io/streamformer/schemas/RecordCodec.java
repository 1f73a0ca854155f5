package io.streamformer.schemas;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
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
 * <p>Plain binary does not say which schema wrote it. New fields stand at the end and say since
 * when they are there, so a value that ends before them is read as one of an older producer. A
 * record of a revision with more fields is refused, not misread.
 *
 * @param <T> a record of the topics: {@code TextEvent}, {@code DeadLetter} or the record of a task
 */
public final class RecordCodec<T extends SpecificRecordBase> {

    private final SpecificData data;
    private final Schema schema;
    private final DatumWriter<T> writer;
    private final DatumReader<T> reader;
    private final Map<Integer, DatumReader<T>> older = new ConcurrentHashMap<>();

    @SuppressWarnings("unchecked") // Avro's factories do not know the record's class
    private RecordCodec(Class<T> recordClass) {
        data = SpecificData.getForClass(recordClass);
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
        write(record, bytes);
        return bytes.toByteArray();
    }

    /** How many bytes {@link #encode} would give. */
    public long size(T record) {
        Counter counter = new Counter();
        write(record, counter);
        return counter.bytes;
    }

    private void write(T record, OutputStream out) {
        BinaryEncoder encoder = EncoderFactory.get().directBinaryEncoder(out, null);
        try {
            writer.write(record, encoder);
            encoder.flush();
        } catch (IOException e) {
            throw new AssertionError("writing to memory cannot fail: this is a bug", e);
        }
    }

    /**
     * The record that the bytes hold.
     *
     * @throws IOException if they are anything else than exactly one record: the rule, and the
     *     value seen
     */
    public T decode(byte[] value) throws IOException {
        try {
            int fields = AvroShape.check(schema, value);
            DatumReader<T> fitting =
                    fields == schema.getFields().size() ? reader : readerOfFirst(fields);
            return fitting.read(null, DecoderFactory.get().binaryDecoder(value, null));
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

    /** A reader of records that an older producer wrote; what they lack has its default. */
    @SuppressWarnings("unchecked") // as in the constructor
    private DatumReader<T> readerOfFirst(int fields) {
        return older.computeIfAbsent(
                fields,
                count -> {
                    List<Schema.Field> written = new ArrayList<>();
                    for (Schema.Field field : schema.getFields().subList(0, count)) {
                        written.add(new Schema.Field(field, field.schema()));
                    }
                    Schema writer =
                            Schema.createRecord(
                                    schema.getName(), null, schema.getNamespace(), false, written);
                    return (DatumReader<T>) data.createDatumReader(writer, schema);
                });
    }

    private static String hint(byte[] value) {
        return value.length > 5 && value[0] == 0
                ? "; the first byte is 0 as in a schema registry's frame: write plain Avro binary"
                : "";
    }

    /** Counts what is written and keeps none of it. */
    private static final class Counter extends OutputStream {
        private long bytes;

        @Override
        public void write(int one) {
            bytes++;
        }

        @Override
        public void write(byte[] some, int offset, int length) {
            bytes += length;
        }
    }
}
