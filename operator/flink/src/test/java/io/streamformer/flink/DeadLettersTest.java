package io.streamformer.flink;

import static org.assertj.core.api.Assertions.assertThat;

import io.streamformer.flink.testing.Origins;
import io.streamformer.schemas.DeadLetter;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

class DeadLettersTest {

    private static final byte[] KEY = {1, 2};
    private static final byte[] VALUE = {3, 4, 5};

    @Test
    void itsHeadersAreThoseThatCameAndThenKafkaConnects() {
        Origin origin = Origins.origin(KEY, VALUE);
        Traced<DeadLetter> letter = letter(origin, "A rule, and a value.", new Throwable("why"));
        assertThat(letter.origin().headers())
                .startsWith(origin.headers().toArray(new Origin.Header[0]));
        List<Origin.Header> added =
                letter.origin().headers().subList(3, letter.origin().headers().size());
        assertThat(added).hasSize(DeadLetters.MAX_HEADERS);
        Map<String, String> byName =
                added.stream()
                        .collect(
                                Collectors.toMap(
                                        Origin.Header::name,
                                        header ->
                                                new String(
                                                        header.value(), StandardCharsets.UTF_8)));
        assertThat(byName)
                .containsEntry("__connect.errors.topic", "text-events")
                .containsEntry("__connect.errors.partition", "3")
                .containsEntry("__connect.errors.offset", "42")
                .containsEntry("__connect.errors.stage", "decode")
                .containsEntry("__connect.errors.exception.class.name", "java.lang.Throwable")
                .containsEntry("__connect.errors.exception.message", "A rule, and a value.")
                .containsKey("__connect.errors.exception.stacktrace");
    }

    @Test
    void reasonsAndStackTracesAreCapped() {
        Throwable deep = new Throwable("x".repeat(50_000));
        Traced<DeadLetter> letter = letter(Origins.origin(KEY, VALUE), "👍".repeat(9_000), deep);
        assertThat(letter.value().getReason()).hasSizeLessThanOrEqualTo(1_001).endsWith("👍…");
        assertThat(letter.origin().headers())
                .allSatisfy(
                        header ->
                                assertThat(header.value() == null ? 0 : header.value().length)
                                        .isLessThan(20_000));
    }

    private static Traced<DeadLetter> letter(Origin origin, String reason, Throwable cause) {
        return DeadLetters.of(origin, "id", "translation", "decode", reason, origin.value(), cause);
    }
}
