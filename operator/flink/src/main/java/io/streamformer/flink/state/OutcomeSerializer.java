package io.streamformer.flink.state;

import io.streamformer.flink.Outcome;
import io.streamformer.flink.Traced;
import io.streamformer.schemas.DeadLetter;
import java.io.IOException;
import org.apache.avro.specific.SpecificRecordBase;
import org.apache.flink.annotation.Internal;
import org.apache.flink.api.common.typeutils.CompositeTypeSerializerSnapshot;
import org.apache.flink.api.common.typeutils.TypeSerializer;
import org.apache.flink.api.common.typeutils.TypeSerializerSnapshot;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;

/** Writes {@link Outcome}s to Flink's state and network. */
@Internal
public final class OutcomeSerializer<T> extends RecordSerializer<Outcome<T>> {

    private static final long serialVersionUID = 1L;

    private final TypeSerializer<Traced<T>> results;
    private final TypeSerializer<Traced<DeadLetter>> deadLetters;

    private OutcomeSerializer(
            TypeSerializer<Traced<T>> results, TypeSerializer<Traced<DeadLetter>> deadLetters) {
        this.results = results;
        this.deadLetters = deadLetters;
    }

    static <T extends SpecificRecordBase> OutcomeSerializer<T> of(Class<T> recordClass) {
        return new OutcomeSerializer<>(
                TracedSerializer.of(recordClass), TracedSerializer.of(DeadLetter.class));
    }

    @Override
    public TypeSerializer<Outcome<T>> duplicate() {
        return new OutcomeSerializer<>(results.duplicate(), deadLetters.duplicate());
    }

    @Override
    public void serialize(Outcome<T> outcome, DataOutputView out) throws IOException {
        if (outcome instanceof Outcome.Success<T> success) {
            out.writeBoolean(true);
            results.serialize(success.result(), out);
        } else {
            out.writeBoolean(false);
            deadLetters.serialize(((Outcome.Failure<T>) outcome).deadLetter(), out);
        }
    }

    @Override
    public Outcome<T> deserialize(DataInputView in) throws IOException {
        return in.readBoolean()
                ? new Outcome.Success<>(results.deserialize(in))
                : new Outcome.Failure<>(deadLetters.deserialize(in));
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof OutcomeSerializer<?> that
                && results.equals(that.results)
                && deadLetters.equals(that.deadLetters);
    }

    @Override
    public int hashCode() {
        return results.hashCode();
    }

    @Override
    public TypeSerializerSnapshot<Outcome<T>> snapshotConfiguration() {
        return new Snapshot<>(this);
    }

    /** The serializer's written form. */
    public static final class Snapshot<T>
            extends CompositeTypeSerializerSnapshot<Outcome<T>, OutcomeSerializer<T>> {

        private static final int VERSION = 1;

        /** For Flink, which reads snapshots by reflection. */
        @SuppressWarnings("unused")
        public Snapshot() {}

        Snapshot(OutcomeSerializer<T> serializer) {
            super(serializer);
        }

        @Override
        protected int getCurrentOuterSnapshotVersion() {
            return VERSION;
        }

        @Override
        protected TypeSerializer<?>[] getNestedSerializers(OutcomeSerializer<T> outer) {
            return new TypeSerializer<?>[] {outer.results, outer.deadLetters};
        }

        @Override
        @SuppressWarnings("unchecked") // what getNestedSerializers gave
        protected OutcomeSerializer<T> createOuterSerializerWithNestedSerializers(
                TypeSerializer<?>[] nested) {
            return new OutcomeSerializer<>(
                    (TypeSerializer<Traced<T>>) nested[0],
                    (TypeSerializer<Traced<DeadLetter>>) nested[1]);
        }
    }
}
