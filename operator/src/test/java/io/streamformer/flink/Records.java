package io.streamformer.flink;

import io.streamformer.schemas.Classification;
import io.streamformer.schemas.DeadLetter;
import io.streamformer.schemas.ModelReference;
import io.streamformer.schemas.TextEvent;
import io.streamformer.schemas.Translation;
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
        return new TextEvent(id, text, null, null, null, Instant.EPOCH, Map.of());
    }

    static TextEvent fullEvent() {
        return new TextEvent(
                "id-1", "Ça marche 👍", "second", "fr", "en", TIME, Map.of("user", "42"));
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
                Map.of("user", "42"));
    }

    static Translation translation() {
        return new Translation(
                "id-1", "Bonjour", "en", "fr", -0.5f, MODEL, false, 4, 3, TIME, Map.of());
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
