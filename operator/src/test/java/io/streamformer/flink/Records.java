package io.streamformer.flink;

import io.streamformer.schemas.Alternative;
import io.streamformer.schemas.Classification;
import io.streamformer.schemas.DeadLetter;
import io.streamformer.schemas.EventPriority;
import io.streamformer.schemas.ModelReference;
import io.streamformer.schemas.TextEvent;
import io.streamformer.schemas.Translation;
import io.streamformer.schemas.WordAlignment;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.List;
import java.util.Map;

/** Records and origins that the tests of this package share. */
final class Records {

    static final Instant TIME = Instant.ofEpochMilli(1_763_700_000_123L);

    static final ModelReference MODEL = new ModelReference("sentiment-en", "1", "int8", "ab12");

    private Records() {}

    static TextEvent event(String id, String text) {
        return new TextEvent(
                id,
                text,
                null,
                null,
                null,
                Instant.EPOCH,
                Map.of(),
                null,
                null,
                EventPriority.NORMAL,
                null);
    }

    static TextEvent fullEvent() {
        return new TextEvent(
                "id-1",
                "Ça marche 👍",
                "second",
                "fr",
                "en",
                TIME,
                Map.of("user", "42"),
                9,
                7L,
                EventPriority.HIGH,
                Instant.ofEpochMilli(4_000_000_000_000L));
    }

    static Classification classification() {
        return new Classification(
                "id-1",
                "positive",
                0.75f,
                Map.of("positive", 0.75f, "negative", 0.25f),
                MODEL,
                true,
                7,
                TIME,
                Map.of("user", "42"),
                "single_label_classification");
    }

    static Translation translation() {
        return new Translation(
                "id-1",
                "Bonjour",
                "en",
                "fr",
                -0.5f,
                MODEL,
                false,
                4,
                3,
                TIME,
                Map.of(),
                List.of(new Alternative("Salut", -0.75f)),
                List.of(-0.25f, -0.5f, 0f),
                List.of(new WordAlignment(0, 5, 0, 7, 0.875f)));
    }

    static DeadLetter deadLetter() {
        return new DeadLetter(
                "id-1",
                "translation",
                "tokenize",
                "a rule, seen a value",
                "java.lang.IllegalStateException",
                "text-events",
                3,
                42L,
                ByteBuffer.wrap(new byte[] {0, -1, 7}));
    }

    static Origin origin(byte[] key, byte[] value) {
        return new Origin(
                "text-events",
                3,
                42,
                TIME.toEpochMilli(),
                key,
                value,
                List.of(
                        new Origin.Header("traceparent", utf8("00-ab-cd-01")),
                        new Origin.Header("empty", null),
                        new Origin.Header("traceparent", utf8("second"))));
    }

    static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
