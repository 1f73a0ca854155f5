package io.streamformer.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.streamformer.bundle.Bundle;
import io.streamformer.bundle.BundleException;
import io.streamformer.inference.Device;
import io.streamformer.inference.LoadedModel;
import io.streamformer.inference.ModelException;
import io.streamformer.inference.ModelInput;
import io.streamformer.inference.ModelRunner;
import io.streamformer.inference.SessionSetup;
import io.streamformer.inference.ort.OrtEngine;
import io.streamformer.testing.TestBundle;
import io.streamformer.tokenize.Tokenizer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class GoldenReplayTest {

    @TempDir private Path temp;

    private static final SessionSetup CPU = new SessionSetup("fp32", Device.CPU, 1, 1, Map.of());

    /** Sizes of the batches that were tried, in turn. */
    private final List<Integer> tried = new ArrayList<>();

    @Test
    void runsABatchThatDoesNotFitInHalves() {
        replay(3, true);

        assertThat(tried).first().isEqualTo(16);
        assertThat(tried.subList(0, 5)).containsExactly(16, 8, 4, 2, 2);
        assertThat(tried.stream().filter(rows -> rows <= 3).mapToInt(rows -> rows).sum())
                .as("every text has run once")
                .isEqualTo(Bundle.read(sentiment()).goldenTexts().size());
    }

    @Test
    void failsWhereOneTextDoesNotFit() {
        assertThatThrownBy(() -> replay(0, true)).isInstanceOf(ModelException.class);

        assertThat(tried).containsExactly(16, 8, 4, 2, 1);
    }

    @Test
    void failsAtOnceWhereMemoryIsNotTheMatter() {
        assertThatThrownBy(() -> replay(3, false)).isInstanceOf(ModelException.class);

        assertThat(tried).containsExactly(16);
    }

    @Test
    void refusesAGoldenTextWithoutAnswer() {
        Path folder =
                TestBundle.copyOf(TestBundle.SENTIMENT, temp)
                        .file("golden.jsonl", text -> text.replaceAll("\"label\"", "\"other\""))
                        .folder();
        Bundle read = Bundle.read(folder);

        BundleException refusal =
                catchThrowableOfType(BundleException.class, () -> new GoldenReplay(read, null));

        assertThat(refusal.rule()).contains("text-classification has a label and its score");
    }

    /** Replays in batches of 16 on a model that fails with more rows than fit. */
    private void replay(int fitting, boolean outOfMemory) {
        Bundle bundle = Bundle.read(sentiment());
        try (Tokenizer tokenizer = Tokenizer.load(bundle);
                LoadedModel model = OrtEngine.INSTANCE.load(bundle, CPU, Set.of())) {
            GoldenReplay golden = new GoldenReplay(bundle, "fp32");
            List<List<ModelInput>> texts = golden.read(new RowInputs(bundle.manifest(), tokenizer));
            ModelRunner runner = model.newRunner();
            golden.verify(
                    texts,
                    (rows, generation) -> {
                        tried.add(rows.size());
                        if (rows.size() > fitting) {
                            throw new ModelException("does not fit", outOfMemory, null);
                        }
                        return runner.run(rows, null);
                    },
                    tokenizer,
                    16,
                    100_000);
        }
    }

    private static Path sentiment() {
        return TestBundle.resource(TestBundle.SENTIMENT);
    }
}
