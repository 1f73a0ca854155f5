package io.streamformer.flink.state;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.ObjectInputStream;
import java.nio.charset.StandardCharsets;
import org.apache.avro.Schema;
import org.apache.avro.SchemaCompatibility;
import org.apache.avro.SchemaCompatibility.SchemaCompatibilityType;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.DatumReader;
import org.apache.avro.io.DatumWriter;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;
import org.apache.avro.specific.SpecificData;
import org.apache.avro.specific.SpecificRecordBase;
import org.apache.flink.api.common.typeutils.TypeSerializerSchemaCompatibility;
import org.apache.flink.api.common.typeutils.TypeSerializerSnapshot;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;

/**
 * Writes the records of the topics to Flink's state and network as Avro binary behind their length.
 * The snapshot has the schema, so a job restores records of an older one.
 *
 * <p>Flink's own {@code AvroSerializer} does the same under a class name that depends on where
 * flink-avro is: it is renamed in the job's jar. State must not depend on that.
 */
final class AvroRecordSerializer<T extends SpecificRecordBase> extends RecordSerializer<T> {

    private static final long serialVersionUID = 1L;

    private final Class<T> recordClass;

    /** The schema that the bytes to read were written with, as JSON; it differs after a restore. */
    private final String writtenWith;

    private transient Codec<T> codec;

    AvroRecordSerializer(Class<T> recordClass) {
        this(recordClass, SpecificData.get().getSchema(recordClass).toString());
    }

    private AvroRecordSerializer(Class<T> recordClass, String writtenWith) {
        this.recordClass = recordClass;
        this.writtenWith = writtenWith;
        codec = new Codec<>(recordClass, writtenWith);
    }

    /** Avro's part, which is not serializable. Not thread-safe, as Flink's serializers are not. */
    private static final class Codec<T extends SpecificRecordBase> {
        private final DatumWriter<T> writer;
        private final DatumReader<T> reader;
        private final ByteArrayOutputStream bytes = new ByteArrayOutputStream(256);

        @SuppressWarnings("unchecked") // Avro's factories do not know the record's class
        Codec(Class<T> recordClass, String writtenWith) {
            SpecificData data = SpecificData.getForClass(recordClass);
            Schema schema = data.getSchema(recordClass);
            writer = (DatumWriter<T>) data.createDatumWriter(schema);
            reader = (DatumReader<T>) data.createDatumReader(parse(writtenWith), schema);
        }
    }

    private static Schema parse(String json) {
        return new Schema.Parser().parse(json);
    }

    @Override
    public AvroRecordSerializer<T> duplicate() {
        return new AvroRecordSerializer<>(recordClass, writtenWith);
    }

    @Override
    public void serialize(T record, DataOutputView out) throws IOException {
        codec.bytes.reset();
        BinaryEncoder encoder = EncoderFactory.get().directBinaryEncoder(codec.bytes, null);
        codec.writer.write(record, encoder);
        encoder.flush();
        out.writeInt(codec.bytes.size());
        out.write(codec.bytes.toByteArray());
    }

    @Override
    public T deserialize(DataInputView in) throws IOException {
        byte[] bytes = new byte[in.readInt()];
        in.readFully(bytes);
        return codec.reader.read(null, DecoderFactory.get().binaryDecoder(bytes, null));
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof AvroRecordSerializer<?> that
                && recordClass.equals(that.recordClass)
                && writtenWith.equals(that.writtenWith);
    }

    @Override
    public int hashCode() {
        return recordClass.hashCode();
    }

    private void readObject(ObjectInputStream in) throws IOException, ClassNotFoundException {
        in.defaultReadObject();
        codec = new Codec<>(recordClass, writtenWith);
    }

    @Override
    public TypeSerializerSnapshot<T> snapshotConfiguration() {
        return new AvroRecordSnapshot<>(recordClass, writtenWith);
    }

    /** The record's class and the schema of its bytes. */
    public static final class AvroRecordSnapshot<T extends SpecificRecordBase>
            implements TypeSerializerSnapshot<T> {

        private static final int VERSION = 1;

        private Class<T> recordClass;
        private String writtenWith;

        /** For Flink, which reads snapshots by reflection. */
        @SuppressWarnings("unused")
        public AvroRecordSnapshot() {}

        private AvroRecordSnapshot(Class<T> recordClass, String writtenWith) {
            this.recordClass = recordClass;
            this.writtenWith = writtenWith;
        }

        @Override
        public int getCurrentVersion() {
            return VERSION;
        }

        @Override
        public void writeSnapshot(DataOutputView out) throws IOException {
            out.writeUTF(recordClass.getName());
            // Not writeUTF: a schema may be longer than the 64 KiB which that allows.
            byte[] schema = writtenWith.getBytes(StandardCharsets.UTF_8);
            out.writeInt(schema.length);
            out.write(schema);
        }

        @Override
        @SuppressWarnings("unchecked") // it is the name of a record
        public void readSnapshot(int version, DataInputView in, ClassLoader classLoader)
                throws IOException {
            String name = in.readUTF();
            byte[] schema = new byte[in.readInt()];
            in.readFully(schema);
            writtenWith = new String(schema, StandardCharsets.UTF_8);
            try {
                recordClass = (Class<T>) Class.forName(name, true, classLoader);
            } catch (ClassNotFoundException e) {
                throw new IOException(
                        "The state has records of "
                                + name
                                + ", which this release does not know. Restore it with the release"
                                + " that wrote it.",
                        e);
            }
        }

        @Override
        public AvroRecordSerializer<T> restoreSerializer() {
            return new AvroRecordSerializer<>(recordClass, writtenWith);
        }

        @Override
        public TypeSerializerSchemaCompatibility<T> resolveSchemaCompatibility(
                TypeSerializerSnapshot<T> old) {
            if (!(old instanceof AvroRecordSnapshot<T> that)
                    || !recordClass.equals(that.recordClass)) {
                return TypeSerializerSchemaCompatibility.incompatible();
            }
            if (writtenWith.equals(that.writtenWith)) {
                return TypeSerializerSchemaCompatibility.compatibleAsIs();
            }
            boolean readable =
                    SchemaCompatibility.checkReaderWriterCompatibility(
                                            parse(writtenWith), parse(that.writtenWith))
                                    .getType()
                            == SchemaCompatibilityType.COMPATIBLE;
            return readable
                    ? TypeSerializerSchemaCompatibility.compatibleAfterMigration()
                    : TypeSerializerSchemaCompatibility.incompatible();
        }
    }
}
