package io.streamformer.schemas;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.streamformer.schemas.testing.Records;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.time.Instant;
import java.util.Arrays;
import java.util.Random;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.EncoderFactory;
import org.junit.jupiter.api.Test;

class RecordCodecTest {

    /** Bytes of max_new_tokens and seed (2 each), priority (1) and deadline (8). */
    private static final int OF_LATER_FIELDS = 13;

    private final RecordCodec<TextEvent> events = RecordCodec.of(TextEvent.class);

    @Test
    void everyRecordComesBackAsItWent() throws IOException {
        assertThat(events.decode(events.encode(Records.fullEvent())))
                .isEqualTo(Records.fullEvent());
        RecordCodec<Classification> classifications = RecordCodec.of(Classification.class);
        assertThat(classifications.decode(classifications.encode(Records.classification())))
                .isEqualTo(Records.classification());
        RecordCodec<Translation> translations = RecordCodec.of(Translation.class);
        assertThat(translations.decode(translations.encode(Records.translation())))
                .isEqualTo(Records.translation());
        RecordCodec<DeadLetter> letters = RecordCodec.of(DeadLetter.class);
        assertThat(letters.decode(letters.encode(Records.deadLetter())))
                .isEqualTo(Records.deadLetter());
    }

    @Test
    void theSizeOfARecordIsThatOfItsBytes() {
        TextEvent event = Records.fullEvent();
        assertThat(events.size(event)).isEqualTo(events.encode(event).length);
    }

    @Test
    void aRecordOfAnOlderProducerHasTheDefaultsOfLaterFields() throws IOException {
        TextEvent event = Records.fullEvent();
        byte[] whole = events.encode(event);
        event.setMaxNewTokens(null);
        event.setSeed(null);
        event.setPriority(EventPriority.NORMAL);
        event.setDeadline(null);
        assertThat(events.decode(Arrays.copyOf(whole, whole.length - OF_LATER_FIELDS)))
                .isEqualTo(event);
    }

    @Test
    void anyTimestampComesBack() throws IOException {
        for (long millis : new long[] {Long.MIN_VALUE, -1, 0, Long.MAX_VALUE}) {
            TextEvent event = Records.event("id", "text");
            event.setTimestamp(Instant.ofEpochMilli(millis));
            assertThat(events.decode(events.encode(event))).isEqualTo(event);
        }
    }

    @Test
    void aRecordCutAnywhereIsRefused() {
        byte[] whole = events.encode(Records.fullEvent());
        for (int length = 0; length < whole.length; length++) {
            if (length == whole.length - OF_LATER_FIELDS) {
                continue;
            }
            byte[] cut = Arrays.copyOf(whole, length);
            assertThatThrownBy(() -> events.decode(cut))
                    .as("first %d bytes", length)
                    .isInstanceOf(IOException.class);
        }
    }

    @Test
    void arbitraryBytesAreDecodedOrRefusedAndNothingElse() {
        Random random = new Random(7);
        byte[] whole = events.encode(Records.fullEvent());
        int refused = 0;
        for (int i = 0; i < 20_000; i++) {
            byte[] bytes = whole.clone();
            for (int changes = 1 + random.nextInt(4); changes > 0; changes--) {
                bytes[random.nextInt(bytes.length)] = (byte) random.nextInt();
            }
            try {
                assertThat(events.decode(bytes)).isNotNull();
            } catch (IOException e) {
                refused++;
            }
        }
        assertThat(refused).isGreaterThan(1_000);
    }

    @Test
    void bytesBeyondTheRecordAreRefused() {
        byte[] newer = Arrays.copyOf(events.encode(Records.fullEvent()), 200);
        assertThatThrownBy(() -> events.decode(newer))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("bytes after the end of the TextEvent");
    }

    @Test
    void aHugeLengthIsRefusedBeforeAnythingIsAllocated() {
        byte[] bytes = encode(encoder -> encoder.writeLong(Integer.MAX_VALUE - 8));
        assertThatThrownBy(() -> events.decode(bytes))
                .hasMessageContaining("the length of a string")
                .hasMessageContaining("2147483639");
        byte[] negative = encode(encoder -> encoder.writeLong(-5));
        assertThatThrownBy(() -> events.decode(negative)).hasMessageContaining("has -5, but");
    }

    @Test
    void aHugeMapIsRefused() {
        for (long count : new long[] {Integer.MAX_VALUE, Long.MAX_VALUE, Long.MIN_VALUE, -1_000}) {
            byte[] bytes =
                    encode(
                            encoder -> {
                                writeUpToAttributes(encoder);
                                encoder.writeLong(count);
                                encoder.writeLong(0);
                            });
            assertThatThrownBy(() -> events.decode(bytes))
                    .as("%d entries", count)
                    .isInstanceOf(IOException.class)
                    .hasMessageContaining("a map or an array has as many entries");
        }
    }

    @Test
    void aMapMayComeInBlocksWithTheirSizes() throws IOException {
        byte[] bytes =
                encode(
                        encoder -> {
                            writeUpToAttributes(encoder);
                            encoder.writeLong(-1);
                            encoder.writeLong(4);
                            encoder.writeString("k");
                            encoder.writeString("v");
                            encoder.writeLong(0);
                        });
        assertThat(events.decode(bytes).getAttributes()).containsEntry("k", "v");
    }

    @Test
    void invalidUtf8IsRefusedAndNotReplaced() {
        byte[] bytes =
                encode(
                        encoder -> {
                            encoder.writeString("id");
                            encoder.writeBytes(new byte[] {'a', (byte) 0xC3, '('});
                        });
        assertThatThrownBy(() -> events.decode(bytes)).hasMessageContaining("valid UTF-8");
    }

    @Test
    void aRegistrysFrameIsNamed() {
        byte[] framed = new byte[] {0, 0, 0, 0, 9, 4, 'i', 'd', 4, 'o', 'k'};
        assertThatThrownBy(() -> events.decode(framed))
                .hasMessageContaining("schema registry's frame");
    }

    private static void writeUpToAttributes(BinaryEncoder encoder) throws IOException {
        encoder.writeString("id");
        encoder.writeString("text");
        encoder.writeIndex(0);
        encoder.writeIndex(0);
        encoder.writeIndex(0);
        encoder.writeLong(0);
    }

    private interface Writing {
        void to(BinaryEncoder encoder) throws IOException;
    }

    private static byte[] encode(Writing writing) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        BinaryEncoder encoder = EncoderFactory.get().directBinaryEncoder(bytes, null);
        try {
            writing.to(encoder);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
        return bytes.toByteArray();
    }
}
