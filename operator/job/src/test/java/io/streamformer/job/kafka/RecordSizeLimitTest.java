package io.streamformer.job.kafka;

import static org.assertj.core.api.Assertions.assertThat;

import io.streamformer.flink.DeadLetters;
import io.streamformer.flink.Origin;
import io.streamformer.flink.Outcome;
import io.streamformer.flink.Traced;
import io.streamformer.flink.state.RecordTypeInfo;
import io.streamformer.flink.testing.Origins;
import io.streamformer.schemas.Classification;
import io.streamformer.schemas.DeadLetter;
import io.streamformer.schemas.testing.Records;
import java.nio.ByteBuffer;
import java.util.List;
import org.apache.flink.api.common.serialization.SerializerConfigImpl;
import org.apache.flink.streaming.api.operators.ProcessOperator;
import org.apache.flink.streaming.util.OneInputStreamOperatorTestHarness;
import org.junit.jupiter.api.Test;

class RecordSizeLimitTest {

    private static final byte[] KEY = {1, 2};
    private static final byte[] VALUE = {3, 4, 5};

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
            Origin origin = Origins.origin(KEY, VALUE);
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
        Origin small = Origins.origin(KEY, VALUE);
        Traced<DeadLetter> fits = letter(small, "reason", null);
        assertThat(RecordSizeLimit.fit(fits, limit)).isSameAs(fits);

        Traced<DeadLetter> bigValue = letter(Origins.origin(KEY, new byte[limit]), "reason", null);
        Traced<DeadLetter> fitted = RecordSizeLimit.fit(bigValue, limit);
        assertThat(fitted.value().getValue()).isNull();
        assertThat(fitted.value().getReason()).contains("find the value in text-events-3@42");
        assertThat(fitted.origin()).isEqualTo(bigValue.origin());

        Traced<DeadLetter> bigKey = letter(Origins.origin(new byte[limit], VALUE), "reason", null);
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
