package io.streamformer.flink.state;

import io.streamformer.schemas.TrustedRecords;
import org.apache.avro.specific.SpecificRecordBase;
import org.apache.flink.api.common.serialization.SerializerConfig;
import org.apache.flink.api.common.typeutils.TypeSerializer;
import org.apache.flink.formats.avro.typeutils.AvroSerializer;
import org.apache.flink.formats.avro.typeutils.AvroTypeInfo;

/**
 * The type of the topics' records in a Flink stream: Flink's own Avro type, which Avro 1.12.2 and
 * later would refuse to read without being told to trust the records. Name it where a stream of
 * {@code TextEvent} is made.
 */
public final class AvroRecordTypeInfo<T extends SpecificRecordBase> extends AvroTypeInfo<T> {

    private static final long serialVersionUID = 1L;

    public AvroRecordTypeInfo(Class<T> recordClass) {
        super(recordClass);
    }

    @Override
    public TypeSerializer<T> createSerializer(SerializerConfig config) {
        return new Serializer<>(getTypeClass());
    }

    /** Flink's serializer; that it is loaded in a TaskManager is what lets Avro read there. */
    private static final class Serializer<T extends SpecificRecordBase> extends AvroSerializer<T> {

        private static final long serialVersionUID = 1L;

        static {
            TrustedRecords.ensure();
        }

        private Serializer(Class<T> recordClass) {
            super(recordClass);
        }

        @Override
        public TypeSerializer<T> duplicate() {
            return new Serializer<>(getType());
        }
    }
}
