package io.streamformer.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.streamformer.bundle.BundleException;
import io.streamformer.engine.InferencePipeline;
import io.streamformer.engine.ModelOptions;
import io.streamformer.inference.Device;
import io.streamformer.options.Options;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** A bad bundle is refused before the first record, with the rule, the value and the next step. */
@ExtendWith(LocalStack.Extension.class)
class BadBundleITCase {

    /** Breaks a copy of a bundle. */
    private interface Damage {
        Path to(Path bundle, Path copy) throws IOException;
    }

    @TempDir private Path folder;

    static Stream<Arguments> damages() {
        return Stream.of(
                damage(
                        "wrong hash",
                        (bundle, copy) -> {
                            TestBundles.copy(bundle, copy);
                            Path tokenizer = copy.resolve("tokenizer.json");
                            Files.writeString(tokenizer, Files.readString(tokenizer) + " ");
                            return copy;
                        }),
                damage(
                        "missing file",
                        (bundle, copy) -> {
                            TestBundles.copy(bundle, copy);
                            Files.delete(copy.resolve("model.int8.onnx"));
                            return copy;
                        }),
                damage(
                        "unknown revision",
                        (bundle, copy) ->
                                TestBundles.copyWith(bundle, copy, m -> m.put("format", 99))),
                damage(
                        "wrong input names",
                        (bundle, copy) ->
                                TestBundles.copyWith(
                                        bundle,
                                        copy,
                                        m ->
                                                ((ObjectNode) m.get("inputs").get(0))
                                                        .put("name", "x"))),
                damage(
                        "differing golden answers",
                        (bundle, copy) ->
                                TestBundles.copyWithGolden(
                                        bundle,
                                        copy,
                                        text -> {
                                            if (text.has("output")) {
                                                text.put("output", "something else");
                                            } else {
                                                text.put("score", 0.123);
                                            }
                                        })));
    }

    private static Arguments damage(String name, Damage damage) {
        return Arguments.argumentSet(name, damage);
    }

    @ParameterizedTest
    @MethodSource("damages")
    void isRefusedWithRuleValueAndNextStep(Damage damage) throws IOException {
        Options options = Options.DEFAULTS.with(ModelOptions.DEVICE, Device.CPU);
        for (Path bundle : List.of(TestBundles.TINY_SENTIMENT, TestBundles.TINY_TRANSLATION)) {
            Path copy = damage.to(bundle, folder.resolve(bundle.getFileName()));
            assertThatThrownBy(() -> InferencePipeline.acquire(copy, options).close())
                    .isInstanceOfSatisfying(
                            BundleException.class,
                            refusal -> {
                                assertThat(refusal.rule()).isNotBlank();
                                assertThat(refusal.found()).isNotBlank();
                                assertThat(refusal.nextStep()).isNotBlank();
                            });
        }
    }

    @Test
    void theJobReadsNoRecord(LocalStack stack) throws Exception {
        Path copy =
                TestBundles.copyWithGolden(
                        TestBundles.TINY_SENTIMENT,
                        folder.resolve("copy"),
                        text -> text.put("score", 0.123));
        try (TestJob job = TestJob.start(stack, List.of(copy), options -> {})) {
            job.send("1", "A text that must not be answered.");
            assertThatThrownBy(() -> job.await(1))
                    .hasStackTraceContaining("Invalid bundle. Rule: ")
                    .hasStackTraceContaining("Found: ")
                    .hasStackTraceContaining("Next step: ");
            assertThat(job.readAll("read_uncommitted")).isEmpty();
        }
    }
}
