package io.streamformer.engine;

import static org.assertj.core.api.Assertions.assertThat;

import io.streamformer.batch.Priority;
import io.streamformer.bundle.Bundle;
import io.streamformer.inference.Device;
import io.streamformer.inference.LoadedModel;
import io.streamformer.inference.ModelInput;
import io.streamformer.inference.SessionSetup;
import io.streamformer.inference.ort.OrtEngine;
import io.streamformer.task.TaskDefinition;
import io.streamformer.testing.TestBundle;
import io.streamformer.tokenize.TokenizedText;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CancellationException;
import org.junit.jupiter.api.Test;

class PipelineRunnerTest {

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
        Bundle bundle = Bundle.read(TestBundle.resource(TestBundle.SENTIMENT));
        SessionSetup options = new SessionSetup("fp32", Device.CPU, 1, 1, Map.of());
        QueuedText row = new QueuedText(text, 3, 0, Priority.NORMAL);
        try (LoadedModel model = OrtEngine.INSTANCE.load(bundle, options, Set.of())) {
            new PipelineRunner(
                            model.newRunner(),
                            TaskDefinition.of(bundle.manifest().task()).decoder(bundle, null, null),
                            null,
                            probe,
                            null,
                            stats,
                            Runnable::run)
                    .fail(row, new IllegalStateException("failed alone"));
        }
        assertThat(row).isCompletedExceptionally();
        return row.handle((prediction, failure) -> failure).join();
    }

    private static ModelInput row(long... ids) {
        return ModelInput.of(new TokenizedText(ids, null, false), null);
    }

    @Test
    void tellsACancelledTextFromAFailedOne() {
        QueuedText row = new QueuedText(GOOD, 3, 0, Priority.NORMAL);

        new PipelineRunner(null, null, null, GOOD, null, stats, null)
                .fail(row, new CancellationException());

        assertThat(row).isCancelled();
    }
}
