package io.streamformer.it;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import io.streamformer.schemas.Classification;
import io.streamformer.schemas.ModelReference;
import io.streamformer.schemas.Translation;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Texts through Kafka, Flink and the models and back: the answers are those of Python's reference.
 */
@ExtendWith(LocalStack.Extension.class)
class RoundTripITCase {

    private final LocalStack stack;

    RoundTripITCase(LocalStack stack) {
        this.stack = stack;
    }

    @Test
    void bothTasksAnswerEveryEvent() throws Exception {
        try (TestJob job =
                TestJob.start(
                        stack,
                        List.of(TestBundles.TINY_SENTIMENT, TestBundles.TINY_TRANSLATION),
                        options -> {})) {
            for (int i = 0; i < 50; i++) {
                job.send("event-" + i, "This is message number " + i + ".");
            }
            List<TestJob.Outcome> outcomes = job.await(100);

            assertThat(outcomes).extracting(TestJob::identity).doesNotHaveDuplicates();
            assertThat(outcomes)
                    .allSatisfy(
                            outcome -> {
                                assertThat(outcome.record().timestamp())
                                        .isEqualTo(1_700_000_000_000L);
                                assertThat(outcome.record().headers().lastHeader("traceparent"))
                                        .extracting(header -> new String(header.value(), UTF_8))
                                        .isEqualTo("trace-of-" + outcome.key());
                                assertThat(model(outcome).getHash()).hasSize(64);
                                assertThat(model(outcome).getVersion()).isNotEmpty();
                            });
        }
    }

    static List<Path> bundles() {
        return TestBundles.all();
    }

    @ParameterizedTest
    @MethodSource("bundles")
    void goldenTextsComeBackAsPythonWroteThem(Path bundle) throws Exception {
        List<JsonNode> golden = TestBundles.goldenTexts(bundle);
        JsonNode manifest = TestBundles.manifest(bundle);
        JsonNode tolerance =
                manifest.get("variants")
                        .get(manifest.get("default_variant").asText())
                        .get("tolerance");
        try (TestJob job = TestJob.start(stack, List.of(bundle), options -> {})) {
            for (int i = 0; i < golden.size(); i++) {
                job.send(Integer.toString(i), golden.get(i).get("text").asText());
            }
            Map<String, TestJob.Outcome> byKey = new HashMap<>();
            job.await(golden.size()).forEach(outcome -> byKey.put(outcome.key(), outcome));

            int equal = 0;
            for (int i = 0; i < golden.size(); i++) {
                TestJob.Outcome outcome = byKey.get(Integer.toString(i));
                if (outcome.value() instanceof Classification answer) {
                    String label = golden.get(i).get("label").asText();
                    assertThat(answer.getScores().get(label))
                            .isCloseTo(
                                    (float) golden.get(i).get("score").asDouble(),
                                    within((float) tolerance.get("score").asDouble()));
                    equal += answer.getLabel().equals(label) ? 1 : 0;
                } else {
                    Translation answer = (Translation) outcome.value();
                    equal += answer.getText().equals(golden.get(i).get("output").asText()) ? 1 : 0;
                }
            }
            assertThat((double) equal / golden.size())
                    .isGreaterThanOrEqualTo(tolerance.get("equal_share").asDouble());
        }
    }

    private static ModelReference model(TestJob.Outcome outcome) {
        return outcome.value() instanceof Classification classification
                ? classification.getModel()
                : ((Translation) outcome.value()).getModel();
    }
}
