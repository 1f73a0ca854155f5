package io.streamformer.it;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.streamformer.schemas.Classification;
import io.streamformer.schemas.DeadLetter;
import io.streamformer.schemas.RecordCodec;
import io.streamformer.schemas.TextEvent;
import io.streamformer.schemas.Translation;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** Whatever lies in the topic has exactly one outcome per task, and the job keeps running. */
@ExtendWith(LocalStack.Extension.class)
class BadInputITCase {

    private static final Set<String> ANSWERED = Set.of("Classification", "Translation");
    private static final Set<String> REFUSED =
            Set.of("validate text-classification", "validate translation");
    private static final Set<String> UNREADABLE = Set.of("deserialize null");

    private final LocalStack stack;

    BadInputITCase(LocalStack stack) {
        this.stack = stack;
    }

    @Test
    void everyRecordHasExactlyOneOutcomePerTask() throws Exception {
        Map<String, byte[]> records = new LinkedHashMap<>();
        Map<String, Set<String>> expected = new TreeMap<>();
        add("good", event("A good text."), ANSWERED, records, expected);
        add("null value", null, UNREADABLE, records, expected);
        add("no bytes", new byte[0], UNREADABLE, records, expected);
        add("malformed", "this is no Avro".getBytes(UTF_8), UNREADABLE, records, expected);
        add("cut short", cut(event("A text that was cut"), 12), UNREADABLE, records, expected);
        add("extra bytes", Arrays.copyOf(event("x"), 200), UNREADABLE, records, expected);
        add("invalid UTF-8", broken("caf#"), UNREADABLE, records, expected);
        add("blank", event(" \t\n"), REFUSED, records, expected);
        add("empty", event(""), REFUSED, records, expected);
        add("1 MB", event("word ".repeat(200_000)), ANSWERED, records, expected);
        add("combining marks", event("e" + "\u0301".repeat(10_000)), ANSWERED, records, expected);
        add("control", event("nul \u0000 bell \u0007 end"), ANSWERED, records, expected);
        add(
                "control tokens",
                event("[CLS] [MASK] [SEP] [PAD] </s> <pad> <unk> >>fra<<"),
                ANSWERED,
                records,
                expected);
        add("emoji", event("\uD83D\uDC69\u200D\uD83D\uDE80 \u202e\ufeff"), null, records, expected);
        add("good again", event("Still running."), ANSWERED, records, expected);

        try (TestJob job =
                TestJob.start(
                        stack,
                        List.of(TestBundles.TINY_SENTIMENT, TestBundles.TINY_TRANSLATION),
                        options -> {})) {
            for (Map.Entry<String, byte[]> record : records.entrySet()) {
                job.sendRaw(record.getKey(), record.getValue()).get();
            }
            job.await(outcomes -> isComplete(outcomes, records.keySet()));
            // One more round trip: what was to come twice has come by then.
            job.send("last", "The job still runs.");
            job.await(
                    outcomes -> outcomes.stream().filter(o -> o.key().equals("last")).count() == 2);

            List<TestJob.Outcome> outcomes = job.readAll("read_committed");
            assertThat(outcomes).extracting(TestJob::identity).doesNotHaveDuplicates();
            Map<String, Set<String>> seen = new TreeMap<>();
            for (TestJob.Outcome outcome : outcomes) {
                seen.computeIfAbsent(outcome.key(), k -> new TreeSet<>()).add(kind(outcome));
            }
            expected.forEach((key, kinds) -> assertThat(seen.get(key)).as(key).isEqualTo(kinds));
            assertThat(seen.get("emoji")).isIn(ANSWERED, REFUSED);
            assertTruncated(outcomes, "1 MB");
            assertThat(
                            outcomes.stream()
                                    .filter(o -> o.value() instanceof DeadLetter)
                                    .filter(o -> !o.key().equals("emoji")))
                    .allSatisfy(letter -> assertKeepsTheRecord(letter, records));
        }
    }

    /** Key, bytes and headers are those that came; Kafka Connect's headers say what went wrong. */
    private static void assertKeepsTheRecord(TestJob.Outcome outcome, Map<String, byte[]> records) {
        DeadLetter letter = (DeadLetter) outcome.value();
        byte[] value = records.get(outcome.key());
        assertThat(letter.getValue()).isEqualTo(value == null ? null : ByteBuffer.wrap(value));
        assertThat(letter.getReason()).isNotBlank().doesNotContain("\n");
        assertThat(letter.getOffset()).isNotNegative();
        assertThat(outcome.record().headers().lastHeader("traceparent")).isNotNull();
        assertThat(outcome.record().headers().lastHeader("__connect.errors.stage"))
                .extracting(header -> new String(header.value(), UTF_8))
                .isEqualTo(letter.getStage());
    }

    private static void assertTruncated(List<TestJob.Outcome> outcomes, String key) {
        assertThat(outcomes.stream().filter(o -> o.key().equals(key)))
                .hasSize(2)
                .allSatisfy(
                        outcome -> {
                            if (outcome.value() instanceof Classification answer) {
                                assertThat(answer.getTruncated()).isTrue();
                            } else {
                                assertThat(((Translation) outcome.value()).getTruncated()).isTrue();
                            }
                        });
    }

    private static boolean isComplete(List<TestJob.Outcome> outcomes, Set<String> keys) {
        Map<String, Integer> count = new TreeMap<>();
        for (TestJob.Outcome outcome : outcomes) {
            boolean forAll =
                    outcome.value() instanceof DeadLetter letter && letter.getTask() == null;
            count.merge(outcome.key(), forAll ? 2 : 1, Integer::sum);
        }
        return keys.stream().allMatch(key -> count.getOrDefault(key, 0) >= 2);
    }

    private static String kind(TestJob.Outcome outcome) {
        return outcome.value() instanceof DeadLetter letter
                ? letter.getStage() + " " + letter.getTask()
                : outcome.value().getClass().getSimpleName();
    }

    private static void add(
            String key,
            byte[] value,
            Set<String> kinds,
            Map<String, byte[]> records,
            Map<String, Set<String>> expected) {
        records.put(key, value);
        if (kinds != null) {
            expected.put(key, kinds);
        }
    }

    private static byte[] event(String text) {
        return RecordCodec.of(TextEvent.class)
                .encode(TextEvent.newBuilder().setId("id").setText(text).build());
    }

    /** The event with the bytes of a lone surrogate in place of each #. */
    private static byte[] broken(String text) {
        byte[] event = event(text.replace("#", "###"));
        byte[] surrogate = {(byte) 0xed, (byte) 0xa0, (byte) 0x80};
        for (int i = 0; i < event.length; i++) {
            if (event[i] == '#') {
                event[i] = surrogate[i % surrogate.length];
            }
        }
        return event;
    }

    private static byte[] cut(byte[] value, int length) {
        return Arrays.copyOf(value, length);
    }
}
