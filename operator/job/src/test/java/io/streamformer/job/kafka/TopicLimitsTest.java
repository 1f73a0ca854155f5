package io.streamformer.job.kafka;

import static org.assertj.core.api.Assertions.assertThat;

import io.streamformer.flink.DeadLetters;
import io.streamformer.flink.Origin;
import io.streamformer.flink.Outcome;
import io.streamformer.flink.Traced;
import io.streamformer.flink.testing.Origins;
import io.streamformer.options.Options;
import io.streamformer.schemas.Classification;
import io.streamformer.schemas.DeadLetter;
import io.streamformer.schemas.testing.Records;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class TopicLimitsTest {

    private static final byte[] KEY = {1, 2};
    private static final byte[] VALUE = {3, 4, 5};
    private static final long NOW = Records.TIME.toEpochMilli();
    private static final long DAY = 86_400_000;

    private static final TopicLimits WIDE = new TopicLimits(50_000, Long.MAX_VALUE, DAY, false);

    private final Origin origin = Origins.origin(KEY, VALUE);

    @Test
    void aResultThatIsTooLargeIsADeadLetter() {
        Classification large = Records.classification();
        large.setLabel("x".repeat(60_000));
        assertThat(check(WIDE, Records.classification(), origin))
                .isInstanceOf(Outcome.Success.class);
        DeadLetter letter = refused(check(WIDE, large, origin));
        assertThat(letter.getStage()).isEqualTo("serialize");
        assertThat(letter.getId()).isEqualTo("id-1");
        assertThat(letter.getReason())
                .contains("text-sentiment takes at most 50000. Raise sink.max-record-bytes");
        assertThat(letter.getValue()).isEqualTo(ByteBuffer.wrap(VALUE));
    }

    @Test
    void aResultWithoutAKeyIsADeadLetterWhereTheTopicIsCompacted() {
        TopicLimits compacted = new TopicLimits(50_000, Long.MAX_VALUE, DAY, true);
        Origin keyless = Origins.origin(null, VALUE);
        assertThat(check(compacted, Records.classification(), origin))
                .isInstanceOf(Outcome.Success.class);
        assertThat(check(WIDE, Records.classification(), keyless))
                .isInstanceOf(Outcome.Success.class);
        assertThat(refused(check(compacted, Records.classification(), keyless)).getReason())
                .contains("has no key, and text-sentiment is compacted");
    }

    @Test
    void aTimestampOutsideTheTopicsBoundsIsADeadLetter() {
        TopicLimits bounded = new TopicLimits(50_000, 2 * DAY, DAY, false);
        assertThat(bounded.takesTime(NOW, NOW)).isTrue();
        assertThat(bounded.takesTime(-1, NOW)).isTrue();
        assertThat(bounded.takesTime(NOW - DAY, NOW)).isTrue();
        assertThat(bounded.takesTime(NOW + DAY, NOW)).isTrue();
        assertThat(bounded.takesTime(NOW + DAY + 1, NOW)).isFalse();
        // It is refused a little early, since it takes a while to the broker.
        assertThat(bounded.takesTime(NOW - 2 * DAY, NOW)).isFalse();
        DeadLetter letter =
                refused(limits(bounded, Options.DEFAULTS).check(result(origin), NOW + 3 * DAY));
        assertThat(letter.getReason())
                .contains("2025-11-21", "outside what text-sentiment takes. Set sink.timestamp");
        Options now = Options.DEFAULTS.with(KafkaOptions.SINK_TIMESTAMP, SinkTimestamp.NOW);
        assertThat(limits(bounded, now).check(result(origin), NOW + 3 * DAY))
                .isInstanceOf(Outcome.Success.class);
    }

    @Test
    void aShortBoundStillTakesRecentRecords() {
        TopicLimits bounded = new TopicLimits(50_000, 60_000, DAY, false);
        assertThat(bounded.takesTime(NOW - 30_000, NOW)).isTrue();
        assertThat(bounded.takesTime(NOW - 31_000, NOW)).isFalse();
    }

    @Test
    void theUsersOwnLimitsOfTheProducerHold() {
        Options options =
                Options.DEFAULTS.with(
                        KafkaOptions.KAFKA_PROPERTIES,
                        Map.of("max.request.size", "70000", "buffer.memory", "90000"));
        assertThat(TopicLimits.of(options).maxBytes()).isEqualTo(70_000);
        assertThat(TopicLimits.of(Options.DEFAULTS).maxBytes()).isEqualTo(1_000_000);
    }

    @Test
    void aDeadLetterThatFitsStaysAsItIs() {
        Traced<DeadLetter> letter = letter(origin);
        assertThat(fit(WIDE, letter)).isSameAs(letter);
    }

    @Test
    void aDeadLetterLosesItsValueFirst() {
        Traced<DeadLetter> letter = letter(Origins.origin(KEY, new byte[50_000]));
        Traced<DeadLetter> fitted = fit(WIDE, letter);
        assertThat(fitted.value().getValue()).isNull();
        assertThat(fitted.value().getReason()).contains("find it in text-events-3@42");
        assertThat(fitted.origin()).isEqualTo(letter.origin());
    }

    @Test
    void aDeadLetterKeepsItsKeyAndAsManyHeadersAsFit() {
        List<Origin.Header> many = new ArrayList<>();
        many.add(new Origin.Header("large", new byte[60_000]));
        many.add(new Origin.Header("small", new byte[10]));
        many.add(new Origin.Header("middle", new byte[30_000]));
        Traced<DeadLetter> fitted = fit(WIDE, letter(origin.withKeyAndHeaders(KEY, many)));
        assertThat(fitted.origin().key()).isEqualTo(KEY);
        assertThat(fitted.origin().headers())
                .extracting(Origin.Header::name)
                .startsWith("small", "middle", "__connect.errors.topic")
                .doesNotContain("large");
    }

    @Test
    void aKeyThatIsLargerThanARecordIsLeftOut() {
        Traced<DeadLetter> fitted = fit(WIDE, letter(Origins.origin(new byte[60_000], VALUE)));
        assertThat(fitted.origin().key()).isNull();
        assertThat(fitted.origin().headers())
                .extracting(Origin.Header::name)
                .contains("traceparent", "__connect.errors.stage");
    }

    @Test
    void aDeadLetterGetsTheKeyAndTheTimeThatItsTopicTakes() {
        TopicLimits strict = new TopicLimits(50_000, DAY, DAY, true);
        DeadLetterLimits limits = new DeadLetterLimits(Options.DEFAULTS);
        limits.open(strict);
        Traced<DeadLetter> fitted = limits.fit(letter(Origins.origin(null, VALUE)), NOW + 3 * DAY);
        assertThat(new String(fitted.origin().key(), java.nio.charset.StandardCharsets.UTF_8))
                .isEqualTo("text-events-3@42");
        assertThat(fitted.origin().timestamp()).isEqualTo(NOW + 3 * DAY);
        assertThat(fitted.value().getOffset()).isEqualTo(42);
    }

    private static Traced<DeadLetter> fit(TopicLimits known, Traced<DeadLetter> letter) {
        DeadLetterLimits limits = new DeadLetterLimits(Options.DEFAULTS);
        limits.open(known);
        return limits.fit(letter, NOW);
    }

    private static ResultLimits<Classification> limits(TopicLimits known, Options options) {
        ResultLimits<Classification> limits =
                new ResultLimits<>(
                        Classification.class, "text-classification", "text-sentiment", options);
        limits.open(known);
        return limits;
    }

    private static Outcome<Classification> check(
            TopicLimits known, Classification record, Origin origin) {
        return limits(known, Options.DEFAULTS).check(new Traced<>(record, origin), NOW);
    }

    private static Traced<Classification> result(Origin origin) {
        return new Traced<>(Records.classification(), origin);
    }

    private static DeadLetter refused(Outcome<Classification> outcome) {
        return ((Outcome.Failure<Classification>) outcome).deadLetter().value();
    }

    private static Traced<DeadLetter> letter(Origin origin) {
        return DeadLetters.of(
                origin, "id", "translation", "decode", "A reason.", origin.value(), null);
    }
}
