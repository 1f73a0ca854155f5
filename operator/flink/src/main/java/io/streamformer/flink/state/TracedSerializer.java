package io.streamformer.flink.state;

import io.streamformer.flink.Origin;
import io.streamformer.flink.Traced;
import java.io.IOException;
import org.apache.avro.specific.SpecificRecordBase;
import org.apache.flink.annotation.Internal;
import org.apache.flink.api.common.typeutils.CompositeTypeSerializerSnapshot;
import org.apache.flink.api.common.typeutils.TypeSerializer;
import org.apache.flink.api.common.typeutils.TypeSerializerSnapshot;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;

/**
 * Writes {@link Traced} records to Flink's state and network. The Avro schema is part of the
 * snapshot, so a job restores records that were written with an older schema of the topic.
 */
@Internal
public final class TracedSerializer<T> extends RecordSerializer<Traced<T>> {

    private static final long serialVersionUID = 1L;

    private final TypeSerializer<T> records;

    private TracedSerializer(TypeSerializer<T> records) {
        this.records = records;
    }

    static <T extends SpecificRecordBase> TracedSerializer<T> of(Class<T> recordClass) {
        return new TracedSerializer<>(new AvroRecordSerializer<>(recordClass));
    }

    @Override
    public TypeSerializer<Traced<T>> duplicate() {
        return new TracedSerializer<>(records.duplicate());
    }

    @Override
    public void serialize(Traced<T> traced, DataOutputView out) throws IOException {
        records.serialize(traced.value(), out);
        OriginBytes.write(traced.origin(), out);
    }

    @Override
    public Traced<T> deserialize(DataInputView in) throws IOException {
        T value = records.deserialize(in);
        return new Traced<>(value, OriginBytes.read(in));
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof TracedSerializer<?> that && records.equals(that.records);
    }

    @Override
    public int hashCode() {
        return records.hashCode();
    }

    @Override
    public TypeSerializerSnapshot<Traced<T>> snapshotConfiguration() {
        return new Snapshot<>(this);
    }

    /** The serializer's written form; its version is raised when {@link Origin}'s bytes change. */
    public static final class Snapshot<T>
            extends CompositeTypeSerializerSnapshot<Traced<T>, TracedSerializer<T>> {

        private static final int VERSION = 1;

        /** For Flink, which reads snapshots by reflection. */
        @SuppressWarnings("unused")
        public Snapshot() {}

        Snapshot(TracedSerializer<T> serializer) {
            super(serializer);
        }

        @Override
        protected int getCurrentOuterSnapshotVersion() {
            return VERSION;
        }

        @Override
        protected TypeSerializer<?>[] getNestedSerializers(TracedSerializer<T> outer) {
            return new TypeSerializer<?>[] {outer.records};
        }

        @Override
        @SuppressWarnings("unchecked") // what getNestedSerializers gave
        protected TracedSerializer<T> createOuterSerializerWithNestedSerializers(
                TypeSerializer<?>[] nested) {
            return new TracedSerializer<>((TypeSerializer<T>) nested[0]);
        }
    }
}
