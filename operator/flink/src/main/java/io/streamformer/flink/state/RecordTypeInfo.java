package io.streamformer.flink.state;

import io.streamformer.flink.Outcome;
import io.streamformer.flink.Traced;
import org.apache.avro.specific.SpecificRecordBase;
import org.apache.flink.annotation.Internal;
import org.apache.flink.api.common.serialization.SerializerConfig;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeutils.TypeSerializer;

/**
 * The type of {@link Traced} records and {@link Outcome}s in a Flink stream; neither ever reaches
 * Kryo.
 *
 * @param <X> what flows in the stream
 */
@Internal
public final class RecordTypeInfo<X> extends TypeInformation<X> {

    private static final long serialVersionUID = 1L;

    private final Class<X> typeClass;
    private final TypeSerializer<X> serializer;
    private final String name;

    private RecordTypeInfo(Class<X> typeClass, TypeSerializer<X> serializer, String name) {
        this.typeClass = typeClass;
        this.serializer = serializer;
        this.name = name;
    }

    /** The type of traced records of this class. */
    @SuppressWarnings("unchecked") // a class literal cannot carry the parameter
    public static <T extends SpecificRecordBase> RecordTypeInfo<Traced<T>> traced(
            Class<T> recordClass) {
        return new RecordTypeInfo<>(
                (Class<Traced<T>>) (Class<?>) Traced.class,
                TracedSerializer.of(recordClass),
                "Traced<" + recordClass.getSimpleName() + ">");
    }

    /** The type of outcomes whose success is a record of this class. */
    @SuppressWarnings("unchecked") // a class literal cannot carry the parameter
    public static <T extends SpecificRecordBase> RecordTypeInfo<Outcome<T>> outcome(
            Class<T> recordClass) {
        return new RecordTypeInfo<>(
                (Class<Outcome<T>>) (Class<?>) Outcome.class,
                OutcomeSerializer.of(recordClass),
                "Outcome<" + recordClass.getSimpleName() + ">");
    }

    @Override
    public TypeSerializer<X> createSerializer(SerializerConfig config) {
        return serializer.duplicate();
    }

    @Override
    public Class<X> getTypeClass() {
        return typeClass;
    }

    @Override
    public boolean isBasicType() {
        return false;
    }

    @Override
    public boolean isTupleType() {
        return false;
    }

    @Override
    public int getArity() {
        return 1;
    }

    @Override
    public int getTotalFields() {
        return 1;
    }

    @Override
    public boolean isKeyType() {
        return false;
    }

    @Override
    public String toString() {
        return name;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof RecordTypeInfo<?> that && serializer.equals(that.serializer);
    }

    @Override
    public int hashCode() {
        return serializer.hashCode();
    }

    @Override
    public boolean canEqual(Object other) {
        return other instanceof RecordTypeInfo;
    }
}
