package io.streamformer.inference.ort;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.streamformer.bundle.Bundle;
import io.streamformer.bundle.DecodingOptions;
import io.streamformer.bundle.Manifest;
import io.streamformer.inference.Device;
import io.streamformer.inference.GenerationOptions;
import io.streamformer.inference.ModelException;
import io.streamformer.inference.ModelInput;
import io.streamformer.inference.ModelOutput;
import io.streamformer.inference.ModelRunner;
import io.streamformer.inference.SessionSetup;
import io.streamformer.options.Options;
import io.streamformer.testing.TestBundle;
import io.streamformer.tokenize.TokenizedText;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class OrtRunnerTest {

    private static final SessionSetup CPU = new SessionSetup("fp32", Device.CPU, 1, 1, Map.of());

    @Test
    void reportsWhatOnnxRuntimeSays() {
        Bundle bundle = Bundle.read(TestBundle.resource(TestBundle.SENTIMENT));
        try (OrtModel model = OrtModel.load(bundle, CPU, Set.of())) {
            ModelRunner runner = model.newRunner();
            ModelInput bad = row(1_000_000);

            assertThatThrownBy(() -> runner.run(List.of(bad), null))
                    .isInstanceOfSatisfying(
                            ModelException.class,
                            failure -> assertThat(failure.outOfMemory()).isFalse());

            ModelInput good = row(2, 3);
            assertThat(runner.run(List.of(good), null).axis("logits", 0)).isEqualTo(1);
        }
    }

    @Test
    void runnersOfSeveralSessionsAnswerAlike() {
        Bundle bundle = Bundle.read(TestBundle.resource(TestBundle.SENTIMENT));
        SessionSetup threeThreads = new SessionSetup("fp32", Device.CPU, 1, 3, Map.of());
        try (OrtModel model = OrtModel.load(bundle, threeThreads, Set.of())) {
            List<ModelOutput> outputs =
                    Stream.generate(model::newRunner)
                            .limit(4)
                            .map(runner -> runner.run(List.of(row(2, 3)), null))
                            .toList();

            assertThat(outputs)
                    .allSatisfy(
                            output ->
                                    assertThat(output)
                                            .usingRecursiveComparison()
                                            .isEqualTo(outputs.get(0)));
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "Failed to allocate memory for requested buffer of size 8589934592",
                "CUDA failure 2: out of memory",
                "CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED",
                "std::bad_alloc",
                "Available memory of 1024 is smaller than requested bytes of 4096",
            })
    void knowsTheWordsForMissingMemory(String message) {
        assertThat(OrtRunner.isOutOfMemory(new RuntimeException(message))).isTrue();
    }

    @Test
    @Timeout(60)
    void endsARunThatIsToldTo() throws Exception {
        Bundle bundle = Bundle.read(TestBundle.resource(TestBundle.SENTIMENT));
        try (OrtModel model = OrtModel.load(bundle, CPU, Set.of())) {
            ModelRunner runner = model.newRunner();
            runner.terminate();
            List<ModelInput> rows = Collections.nCopies(32, row(2, 3));
            assertThat(runner.run(rows, null)).as("between runs").isNotNull();

            AtomicBoolean ended = new AtomicBoolean();
            Thread watch =
                    new Thread(
                            () -> {
                                while (!ended.get()) {
                                    runner.terminate();
                                }
                            });
            watch.start();
            try {
                assertThatThrownBy(
                                () -> {
                                    while (true) {
                                        runner.run(rows, null);
                                    }
                                })
                        .isInstanceOf(ModelException.class)
                        .hasMessageContaining("terminate");
            } finally {
                ended.set(true);
                watch.join();
            }
            assertThat(runner.run(rows, null)).as("the next run").isNotNull();
        }
    }

    @Test
    void opensAGraphWithLargeWeightsBesideItOnce() {
        Bundle bundle = Bundle.read(TestBundle.resource(TestBundle.LARGE));
        String graph = bundle.variant("fp32").file();
        assertThat(OrtModel.sizeOf(bundle, graph))
                .isGreaterThan(bundle.file(graph).toFile().length());
        assertThat(OrtModel.copies(1L << 20, Device.CPU, 4)).isEqualTo(3);
        assertThat(OrtModel.copies(3L << 30, Device.CPU, 4)).isZero();
        assertThat(OrtModel.copies(1L << 20, Device.cuda(0), 4)).isZero();
    }

    private static ModelInput row(long... ids) {
        return ModelInput.of(new TokenizedText(ids, null, false), null);
    }

    @Test
    void aRowsLimitIsAMatterOfItsOwnLength() {
        GenerationOptions generation = options(0, null, 20, null, 1.5, 3);

        assertThat(generation.limit(3)).isEqualTo(7);
        assertThat(generation.limit(100)).isEqualTo(20);
    }

    @Test
    void aFactorNeverGoesBelowTheMinimumAndNoneLeavesTheOtherLimits() {
        assertThat(options(12, null, 20, null, 1.5, 3).limit(3)).isEqualTo(12);
        assertThat(options(30, null, 20, null, 1.5, 3).limit(3)).isEqualTo(20);
        assertThat(options(0, null, 199, null, null, null).limit(3)).isEqualTo(199);
    }

    @Test
    void aLimitOfPromptAndAnswerTogetherLeavesTheRowWhatItsPromptDoes() {
        GenerationOptions generation = options(0, 20, 49, 50, null, null);

        assertThat(generation.limit(4)).isEqualTo(46);
        assertThat(generation.limit(49)).isEqualTo(1);
        assertThat(generation.limit(60)).isEqualTo(1);
        assertThat(generation.minimum(4)).isEqualTo(16);
        assertThat(generation.minimum(49)).isZero();
        Options job = Options.DEFAULTS.with(DecodingOptions.MIN_NEW_TOKENS, 3);
        assertThat(GenerationOptions.of(job, generation.bundle()).minimum(4)).isEqualTo(3);
    }

    private static GenerationOptions options(
            int minNewTokens,
            Integer minTotalTokens,
            int maxNewTokens,
            Integer maxTotalTokens,
            Double factor,
            Integer offset) {
        return GenerationOptions.of(
                Options.DEFAULTS,
                new Manifest.Decoding(
                        factor,
                        offset,
                        maxTotalTokens,
                        minTotalTokens,
                        List.of(0),
                        null,
                        List.of(),
                        Map.of(),
                        null,
                        Map.of(
                                "num_beams",
                                1,
                                "length_penalty",
                                1f,
                                "min_new_tokens",
                                minNewTokens,
                                "max_new_tokens",
                                maxNewTokens)));
    }
}
