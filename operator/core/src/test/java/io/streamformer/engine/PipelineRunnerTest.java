package io.streamformer.engine;

import static org.assertj.core.api.Assertions.assertThat;

import io.streamformer.batch.Priority;
import io.streamformer.bundle.Bundle;
import io.streamformer.inference.Device;
import io.streamformer.inference.LoadedModel;
import io.streamformer.inference.ModelInput;
import io.streamformer.inference.SessionSetup;
import io.streamformer.inference.ort.OrtEngine;
import io.streamformer.task.FeatureExtraction;
import io.streamformer.task.TaskDefinition;
import io.streamformer.testing.TestBundle;
import io.streamformer.tokenize.TokenizedText;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.Test;

class PipelineRunnerTest {

    private static final Duration TIMEOUT = Duration.ofMinutes(2);
    private static final ModelInput GOOD = row(2, 5, 3);
    private static final ModelInput POISON = row(2, 987_654, 3);

    private final PipelineStats stats = new PipelineStats(null);

    @Test
    void blamesTheTextWhileTheEngineAnswersAGoldenOne() {
        Throwable failure = failureOf(POISON, GOOD);

        assertThat(failure)
                .isInstanceOfSatisfying(
                        InferenceException.class,
                        e -> assertThat(e.stage()).isEqualTo(InferenceException.Stage.INFERENCE))
                .hasMessageContaining("this text of 3 tokens alone");
        assertThat(stats.failures()).isEqualTo(1);
    }

    @Test
    void blamesTheEngineWhereItFailsOnAGoldenTextToo() {
        assertThat(failureOf(POISON, POISON))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("not even a golden one");
    }

    /** The failure that a text's sender sees after the text failed alone. */
    private Throwable failureOf(ModelInput text, ModelInput probe) {
        return failureOf(text, probe, new IllegalStateException("failed alone"));
    }

    private Throwable failureOf(ModelInput text, ModelInput probe, Throwable cause) {
        Bundle bundle = Bundle.read(TestBundle.resource(TestBundle.SENTIMENT));
        SessionSetup options = new SessionSetup("fp32", Device.CPU, 1, 1, Map.of());
        QueuedText row = new QueuedText(text, 3, 0, Priority.NORMAL, TIMEOUT);
        try (LoadedModel model = OrtEngine.INSTANCE.load(bundle, options, Set.of())) {
            new PipelineRunner(
                            model.newRunner(),
                            TaskDefinition.of(bundle.manifest().task()).decoder(bundle, null, null),
                            null,
                            probe,
                            null,
                            stats,
                            Runnable::run)
                    .fail(row, cause);
        }
        assertThat(row).isCompletedExceptionally();
        return row.handle((prediction, failure) -> failure).join();
    }

    private static ModelInput row(long... ids) {
        return ModelInput.of(new TokenizedText(ids, null, false), null);
    }

    @Test
    void aTextWhoseRunWasEndedIsLate() {
        assertThat(failureOf(POISON, GOOD, new TimeoutException("the run took too long")))
                .isInstanceOfSatisfying(
                        InferenceException.class,
                        e -> assertThat(e.stage()).isEqualTo(InferenceException.Stage.TIMEOUT));
    }

    @Test
    void aTextIsLateByTheTimeOfItsRunAlone() {
        QueuedText row = new QueuedText(GOOD, 3, 0, Priority.NORMAL, TIMEOUT);
        row.running(TIMEOUT.toNanos() - 1);
        assertThat(row).isNotDone();
        row.running(TIMEOUT.toNanos());
        assertThat(row)
                .isCompletedExceptionally()
                .failsWithin(Duration.ZERO)
                .withThrowableThat()
                .havingCause()
                .isInstanceOf(InferenceException.class)
                .withMessageContaining("no answer within 2 min of the start of its run");
    }

    @Test
    void windowsWhoseAnswersCannotBeMergedFailTheirText() {
        QueuedText window = new QueuedText(GOOD, 3, 0, Priority.NORMAL, TIMEOUT);
        WindowedText text = new WindowedText(List.of(window), (output, index, input) -> null);
        window.complete(new Answer(new FeatureExtraction.Embedding(new float[0], 0, false), null));
        assertThat(text).isCompletedExceptionally();
    }

    @Test
    void tellsACancelledTextFromAFailedOne() {
        QueuedText row = new QueuedText(GOOD, 3, 0, Priority.NORMAL, TIMEOUT);

        new PipelineRunner(null, null, null, GOOD, null, stats, null)
                .abort(row, new CancellationException());

        assertThat(row).isCancelled();
    }
}
