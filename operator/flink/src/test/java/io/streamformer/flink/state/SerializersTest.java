package io.streamformer.flink.state;

import static org.assertj.core.api.Assertions.assertThat;

import io.streamformer.flink.Origin;
import io.streamformer.flink.Outcome;
import io.streamformer.flink.Traced;
import io.streamformer.flink.testing.Origins;
import io.streamformer.schemas.Classification;
import io.streamformer.schemas.EventPriority;
import io.streamformer.schemas.TextEvent;
import io.streamformer.schemas.testing.Records;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.apache.avro.Schema;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.EncoderFactory;
import org.apache.avro.specific.SpecificData;
import org.apache.avro.specific.SpecificDatumWriter;
import org.apache.flink.api.common.serialization.SerializerConfigImpl;
import org.apache.flink.api.common.typeutils.TypeSerializer;
import org.apache.flink.api.common.typeutils.TypeSerializerSchemaCompatibility;
import org.apache.flink.api.common.typeutils.TypeSerializerSnapshot;
import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.core.memory.DataOutputSerializer;
import org.apache.flink.util.InstantiationUtil;
import org.junit.jupiter.api.Test;

class SerializersTest {

    private static final TypeSerializer<Traced<TextEvent>> EVENTS =
            RecordTypeInfo.traced(TextEvent.class).createSerializer(new SerializerConfigImpl());

    private static final TypeSerializer<Outcome<Classification>> OUTCOMES =
            RecordTypeInfo.outcome(Classification.class)
                    .createSerializer(new SerializerConfigImpl());

    /** A snapshot and its records as version 1 wrote them; every later version reads them. */
    private static final String VERSION_1 = "traced-serializer-1.bin";

    @Test
    void eventsComeBackAsTheyWent() throws IOException {
        for (Traced<TextEvent> event : events()) {
            assertThat(roundTrip(EVENTS, event)).isEqualTo(event);
        }
    }

    @Test
    void outcomesComeBackAsTheyWent() throws IOException {
        for (Outcome<Classification> outcome : outcomes()) {
            assertThat(roundTrip(OUTCOMES, outcome)).isEqualTo(outcome);
        }
    }

    @Test
    void aSerializerIsRestoredFromItsSnapshot() throws IOException {
        DataOutputSerializer out = new DataOutputSerializer(1024);
        TypeSerializerSnapshot.writeVersionedSnapshot(out, OUTCOMES.snapshotConfiguration());
        DataInputDeserializer in = new DataInputDeserializer(out.getCopyOfBuffer());
        TypeSerializerSnapshot<Outcome<Classification>> restored =
                TypeSerializerSnapshot.readVersionedSnapshot(in, getClass().getClassLoader());
        assertThat(restored.restoreSerializer()).isEqualTo(OUTCOMES);
        assertThat(compatibility(OUTCOMES, restored).isCompatibleAsIs()).isTrue();
    }

    @Test
    void stateOfVersion1IsStillRead() throws IOException {
        DataInputDeserializer in = new DataInputDeserializer(version1());
        TypeSerializerSnapshot<Traced<TextEvent>> snapshot =
                TypeSerializerSnapshot.readVersionedSnapshot(in, getClass().getClassLoader());
        assertThat(compatibility(EVENTS, snapshot).isIncompatible()).isFalse();
        TypeSerializer<Traced<TextEvent>> serializer = snapshot.restoreSerializer();
        for (Traced<TextEvent> event : events()) {
            assertThat(serializer.deserialize(in)).isEqualTo(event);
        }
        assertThat(in.available()).isZero();
    }

    @Test
    void recordsOfAnOlderSchemaHaveTheDefaultsOfLaterFields() throws IOException {
        List<Schema.Field> fields =
                TextEvent.getClassSchema().getFields().stream()
                        .filter(field -> field.getProp("since") == null)
                        .map(field -> new Schema.Field(field, field.schema()))
                        .toList();
        Schema older =
                Schema.createRecord(
                        "TextEvent", null, TextEvent.class.getPackageName(), false, fields);
        DataOutputSerializer out = new DataOutputSerializer(1024);
        out.writeUTF(TextEvent.class.getName());
        byte[] schema = Records.utf8(older.toString());
        out.writeInt(schema.length);
        out.write(schema);
        AvroRecordSerializer.AvroRecordSnapshot<TextEvent> snapshot =
                new AvroRecordSerializer.AvroRecordSnapshot<>();
        snapshot.readSnapshot(
                1, new DataInputDeserializer(out.getCopyOfBuffer()), getClass().getClassLoader());
        TypeSerializer<TextEvent> now = new AvroRecordSerializer<>(TextEvent.class);

        assertThat(compatibility(now, snapshot).isCompatibleAfterMigration()).isTrue();
        TextEvent event = Records.fullEvent();
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        BinaryEncoder encoder = EncoderFactory.get().directBinaryEncoder(bytes, null);
        new SpecificDatumWriter<TextEvent>(older, SpecificData.getForClass(TextEvent.class))
                .write(event, encoder);
        DataOutputSerializer state = new DataOutputSerializer(1024);
        state.writeInt(bytes.size());
        state.write(bytes.toByteArray());
        event.setMaxNewTokens(null);
        event.setSeed(null);
        event.setPriority(EventPriority.NORMAL);
        event.setDeadline(null);
        assertThat(
                        snapshot.restoreSerializer()
                                .deserialize(new DataInputDeserializer(state.getCopyOfBuffer())))
                .isEqualTo(event);
    }

    @Test
    void typesTravelToTheCluster() throws Exception {
        for (RecordTypeInfo<?> type :
                List.of(
                        RecordTypeInfo.traced(TextEvent.class),
                        RecordTypeInfo.outcome(Classification.class))) {
            RecordTypeInfo<?> copy = InstantiationUtil.clone(type);
            assertThat(copy).isEqualTo(type).hasSameHashCodeAs(type).hasToString(type.toString());
        }
    }

    /** Writes the file of {@link #VERSION_1}; run by hand when a new version is frozen. */
    static void freeze(Path file) throws IOException {
        DataOutputSerializer out = new DataOutputSerializer(1024);
        TypeSerializerSnapshot.writeVersionedSnapshot(out, EVENTS.snapshotConfiguration());
        for (Traced<TextEvent> event : events()) {
            EVENTS.serialize(event, out);
        }
        Files.createDirectories(file.getParent());
        Files.write(file, out.getCopyOfBuffer());
    }

    private static List<Traced<TextEvent>> events() {
        return List.of(
                new Traced<>(Records.fullEvent(), Origins.origin(new byte[] {1}, new byte[] {2})),
                new Traced<>(Records.event("", ""), Origins.origin(null, null)),
                new Traced<>(Records.event("id", "text"), Origin.NONE));
    }

    private static List<Outcome<Classification>> outcomes() {
        Origin origin = Origins.origin(new byte[0], new byte[0]);
        return List.of(
                new Outcome.Success<>(new Traced<>(Records.classification(), origin)),
                new Outcome.Failure<>(new Traced<>(Records.deadLetter(), origin)));
    }

    private static <T> TypeSerializerSchemaCompatibility<T> compatibility(
            TypeSerializer<T> serializer, TypeSerializerSnapshot<T> old) {
        return serializer.snapshotConfiguration().resolveSchemaCompatibility(old);
    }

    private static <T> T roundTrip(TypeSerializer<T> serializer, T value) throws IOException {
        DataOutputSerializer out = new DataOutputSerializer(64);
        serializer.serialize(value, out);
        DataOutputSerializer copy = new DataOutputSerializer(64);
        serializer.copy(new DataInputDeserializer(out.getCopyOfBuffer()), copy);
        DataInputDeserializer in = new DataInputDeserializer(copy.getCopyOfBuffer());
        T back = serializer.duplicate().deserialize(in);
        assertThat(in.available()).isZero();
        return back;
    }

    private static byte[] version1() throws IOException {
        try (InputStream in = SerializersTest.class.getResourceAsStream(VERSION_1)) {
            return in.readAllBytes();
        }
    }
}
