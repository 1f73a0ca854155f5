package io.streamformer.flink;

import static org.assertj.core.api.Assertions.assertThat;

import io.streamformer.schemas.Classification;
import io.streamformer.schemas.DeadLetter;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.apache.flink.api.common.serialization.SerializerConfigImpl;
import org.apache.flink.streaming.api.operators.ProcessOperator;
import org.apache.flink.streaming.util.OneInputStreamOperatorTestHarness;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.Header;
import org.junit.jupiter.api.Test;

class DeadLettersTest {

    private static final byte[] KEY = {1, 2};
    private static final byte[] VALUE = {3, 4, 5};

    @Test
    void itsHeadersAreThoseThatCameAndThenKafkaConnects() {
        Origin origin = Records.origin(KEY, VALUE);
        Traced<DeadLetter> letter = letter(origin, "a rule, seen a value", new Throwable("why"));
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
                .containsEntry("__connect.errors.exception.message", "a rule, seen a value")
                .containsKey("__connect.errors.exception.stacktrace");
    }

    @Test
    void reasonsAndStackTracesAreCapped() {
        Throwable deep = new Throwable("x".repeat(50_000));
        Traced<DeadLetter> letter = letter(Records.origin(KEY, VALUE), "👍".repeat(9_000), deep);
        assertThat(letter.value().getReason()).hasSizeLessThanOrEqualTo(1_001).endsWith("👍…");
        assertThat(letter.origin().headers())
                .allSatisfy(
                        header ->
                                assertThat(header.value() == null ? 0 : header.value().length)
                                        .isLessThan(20_000));
    }

    @Test
    void kafkaGetsItUnderTheOriginalKeyAndTime() {
        Traced<DeadLetter> letter = letter(Records.origin(KEY, VALUE), "reason", null);
        TracedRecordSerializer<DeadLetter> serializer =
                new TracedRecordSerializer<>("text-dead-letters", DeadLetter.class);
        serializer.open(null, null);
        ProducerRecord<byte[], byte[]> record = serializer.serialize(letter, null, 5L);
        assertThat(record.topic()).isEqualTo("text-dead-letters");
        assertThat(record.partition()).isNull();
        assertThat(record.key()).isEqualTo(KEY);
        assertThat(record.timestamp()).isEqualTo(Records.TIME.toEpochMilli());
        assertThat(record.value())
                .isEqualTo(RecordCodec.of(DeadLetter.class).encode(letter.value()));
        assertThat(record.headers().toArray())
                .extracting(Header::key)
                .startsWith("traceparent", "empty", "traceparent", "__connect.errors.topic");
        assertThat(record.headers().lastHeader("empty").value()).isNull();
    }

    @Test
    void aRecordWithoutATimeTakesTheStreams() {
        TracedRecordSerializer<Classification> serializer =
                new TracedRecordSerializer<>("text-sentiment", Classification.class);
        serializer.open(null, null);
        Traced<Classification> result = new Traced<>(Records.classification(), Origin.NONE);
        assertThat(serializer.serialize(result, null, 5L).timestamp()).isEqualTo(5);
        assertThat(serializer.serialize(result, null, Long.MIN_VALUE).timestamp()).isNull();
        assertThat(serializer.serialize(result, null, null).timestamp()).isNull();
        assertThat(serializer.serialize(result, null, null).key()).isNull();
    }

    @Test
    @SuppressWarnings("try") // the harness may throw InterruptedException when it is closed
    void aResultThatKafkaWouldRefuseIsADeadLetter() throws Exception {
        RecordSizeLimit<Classification> limit =
                new RecordSizeLimit<>(Classification.class, "text-classification", 1_000);
        Classification large = Records.classification();
        large.setLabel("x".repeat(2_000));
        try (OneInputStreamOperatorTestHarness<Traced<Classification>, Outcome<Classification>>
                harness = new OneInputStreamOperatorTestHarness<>(new ProcessOperator<>(limit))) {
            harness.setup(
                    RecordTypeInfo.outcome(Classification.class)
                            .createSerializer(new SerializerConfigImpl()));
            harness.open();
            Origin origin = Records.origin(KEY, VALUE);
            harness.processElement(new Traced<>(Records.classification(), origin), 0);
            harness.processElement(new Traced<>(large, origin), 0);
            List<Outcome<Classification>> out = harness.extractOutputValues();
            assertThat(out.get(0)).isInstanceOf(Outcome.Success.class);
            DeadLetter letter = ((Outcome.Failure<Classification>) out.get(1)).deadLetter().value();
            assertThat(letter.getStage()).isEqualTo("serialize");
            assertThat(letter.getId()).isEqualTo("id-1");
            assertThat(letter.getReason()).contains("at most 1000 bytes (sink.max-record-bytes)");
            assertThat(letter.getValue()).isEqualTo(ByteBuffer.wrap(VALUE));
        }
    }

    @Test
    void aDeadLetterThatKafkaWouldRefuseLeavesOutItsBulk() {
        int limit = 50_000;
        Origin small = Records.origin(KEY, VALUE);
        Traced<DeadLetter> fits = letter(small, "reason", null);
        assertThat(RecordSizeLimit.fit(fits, limit)).isSameAs(fits);

        Traced<DeadLetter> bigValue = letter(Records.origin(KEY, new byte[limit]), "reason", null);
        Traced<DeadLetter> fitted = RecordSizeLimit.fit(bigValue, limit);
        assertThat(fitted.value().getValue()).isNull();
        assertThat(fitted.value().getReason()).contains("find the value in text-events-3@42");
        assertThat(fitted.origin()).isEqualTo(bigValue.origin());

        Traced<DeadLetter> bigKey = letter(Records.origin(new byte[limit], VALUE), "reason", null);
        Traced<DeadLetter> bare = RecordSizeLimit.fit(bigKey, limit);
        assertThat(bare.origin().key()).isNull();
        assertThat(bare.origin().headers())
                .allMatch(header -> header.name().startsWith("__connect.errors."))
                .isNotEmpty();
    }

    private static Traced<DeadLetter> letter(Origin origin, String reason, Throwable cause) {
        return DeadLetters.of(origin, "id", "translation", "decode", reason, origin.value(), cause);
    }
}
