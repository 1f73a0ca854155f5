package io.streamformer.engine;

import static java.util.concurrent.TimeUnit.SECONDS;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.streamformer.bundle.BundleException;
import io.streamformer.options.Options;
import io.streamformer.task.TextClassification;
import io.streamformer.testing.FakeEngine;
import io.streamformer.testing.TestBundle;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The engine room on an engine of its contract alone. */
class FakeEngineTest {

    /** Softmax of the logits 0 and 2. */
    private static final float SCORE = 0.8808f;

    @TempDir private Path temp;

    @BeforeEach
    void closeSessionsWithTheirLease() {
        SessionRegistry.linger(Duration.ZERO);
    }

    @Test
    void anErrorLeavesNoModelOpen() {
        FakeEngine broken =
                new FakeEngine(
                        (rows, generation) -> {
                            throw new NoClassDefFoundError("org/example/Missing");
                        });
        assertThatThrownBy(
                        () ->
                                InferencePipeline.acquire(
                                        TestBundle.resource(TestBundle.SENTIMENT),
                                        Options.DEFAULTS,
                                        broken))
                .hasStackTraceContaining("org/example/Missing");
        assertThat(broken.open()).isZero();
        assertThat(SessionRegistry.size()).isZero();
    }

    @Test
    void anotherEngineAnswersAndTheAnswerNamesItsModel() throws Exception {
        FakeEngine engine = FakeEngine.classifier(0, 2);
        try (InferencePipeline pipeline =
                InferencePipeline.acquire(bundle(), Options.DEFAULTS, engine)) {
            Answer answer = pipeline.submit(TextInput.of("hello")).get(30, SECONDS);

            TextClassification.Classification found =
                    (TextClassification.Classification) answer.prediction();
            assertThat(found.label()).isEqualTo("positive");
            assertThat(found.score()).isCloseTo(SCORE, within(1e-4f));
            assertThat(answer.by().manifest().name()).isEqualTo("tiny-sentiment");
            assertThat(answer.by().variant()).isEqualTo(pipeline.variant());
            assertThat(answer.by().bundleHash()).isEqualTo(pipeline.bundle().hash());
            assertThat(engine.open()).isEqualTo(1);
        }
        assertThat(engine.open()).isZero();
    }

    @Test
    void goldenTextsAreReplayedOnEveryEngine() {
        FakeEngine wrong = FakeEngine.classifier(2, 0);

        assertThatThrownBy(
                        () -> InferencePipeline.acquire(bundle(), Options.DEFAULTS, wrong).close())
                .isInstanceOf(BundleException.class)
                .hasMessageContaining("the label positive");
        assertThat(wrong.open()).isZero();
    }

    /** A bundle whose golden texts are all positive with one score. */
    private Path bundle() {
        return TestBundle.copyOf(TestBundle.SENTIMENT, temp)
                .file(
                        "golden.jsonl",
                        lines ->
                                lines.replaceAll("\"label\": ?\"[^\"]*\"", "\"label\":\"positive\"")
                                        .replaceAll("\"score\": ?[0-9.e-]+", "\"score\":" + SCORE))
                .folder();
    }
}
