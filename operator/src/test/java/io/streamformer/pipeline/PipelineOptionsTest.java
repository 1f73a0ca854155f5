package io.streamformer.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.streamformer.inference.Device;
import io.streamformer.inference.GenerationOptions;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;
import java.lang.reflect.RecordComponent;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class PipelineOptionsTest {

    private static final PipelineOptions OTHER =
            PipelineOptions.builder()
                    .variant("int8")
                    .device(Device.cuda(1))
                    .maxBatchRows(64)
                    .maxBatchTokens(8192)
                    .maxDelay(Duration.ofMillis(10))
                    .maxBatchTime(Duration.ofMillis(100))
                    .runThreads(4)
                    .intraOpThreads(2)
                    .numBeams(4)
                    .numReturnSequences(2)
                    .lengthPenalty(0.6f)
                    .minNewTokens(5)
                    .maxNewTokens(100)
                    .repetitionPenalty(1.2f)
                    .noRepeatNgramSize(3)
                    .suppressTokens(List.of(7, 8))
                    .temperature(0f)
                    .topK(50)
                    .topP(0.9f)
                    .cacheBytes(1_000)
                    .providerOptions(Map.of("gpu_mem_limit", "1000000"))
                    .build();

    @Test
    void hasTheseDefaults() {
        assertThat(PipelineOptions.builder().build())
                .isEqualTo(PipelineOptions.defaults())
                .isEqualTo(
                        new PipelineOptions(
                                null,
                                Device.AUTO,
                                32,
                                4096,
                                Duration.ofMillis(3),
                                Duration.ZERO,
                                0,
                                1,
                                null,
                                1,
                                null,
                                null,
                                null,
                                null,
                                null,
                                List.of(),
                                null,
                                null,
                                null,
                                0,
                                Map.of()));
    }

    @Test
    void setsEachOption() {
        assertThat(OTHER)
                .isEqualTo(
                        new PipelineOptions(
                                "int8",
                                Device.cuda(1),
                                64,
                                8192,
                                Duration.ofMillis(10),
                                Duration.ofMillis(100),
                                4,
                                2,
                                4,
                                2,
                                0.6f,
                                5,
                                100,
                                1.2f,
                                3,
                                List.of(7, 8),
                                0f,
                                50,
                                0.9f,
                                1_000,
                                Map.of("gpu_mem_limit", "1000000")))
                .isEqualTo(OTHER.toBuilder().build());
    }

    @Test
    void isListedInTheReadme() throws Exception {
        List<String> listed =
                Files.readAllLines(Path.of("README.md")).stream()
                        .map(line -> Pattern.compile("\\| `(\\w+)` \\|.*").matcher(line))
                        .filter(Matcher::matches)
                        .map(matcher -> matcher.group(1))
                        .toList();

        String[] options =
                Arrays.stream(PipelineOptions.class.getRecordComponents())
                        .map(RecordComponent::getName)
                        .toArray(String[]::new);
        assertThat(listed).endsWith(options);
    }

    @Test
    void travelsWithAJob() throws Exception {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ObjectOutputStream out = new ObjectOutputStream(bytes)) {
            out.writeObject(OTHER);
        }
        try (ObjectInputStream in =
                new ObjectInputStream(new ByteArrayInputStream(bytes.toByteArray()))) {
            assertThat(in.readObject()).isEqualTo(OTHER);
        }
    }

    static Stream<Arguments> brokenOptions() {
        return Stream.of(
                broken(b -> b.maxBatchRows(0), "maxBatchRows is at least 1, seen 0"),
                broken(b -> b.cacheBytes(-1), "cacheBytes is at least 0, seen -1"),
                broken(b -> b.maxBatchTokens(0), "maxBatchTokens is at least 1, seen 0"),
                broken(b -> b.maxDelay(Duration.ofNanos(-1)), "maxDelay is 0 to 1 minute"),
                broken(b -> b.maxDelay(Duration.ofHours(1)), "maxDelay is 0 to 1 minute"),
                broken(b -> b.runThreads(-1), "runThreads is at least 0, seen -1"),
                broken(b -> b.intraOpThreads(0), "intraOpThreads is at least 1, seen 0"),
                broken(b -> b.numBeams(17), "numBeams is 1 to 16, seen 17"),
                broken(b -> b.lengthPenalty(Float.NaN), "lengthPenalty is a finite number"),
                broken(b -> b.numReturnSequences(0), "numReturnSequences is 1 to 16, seen 0"),
                broken(b -> b.minNewTokens(-1), "minNewTokens is at least 0, seen -1"),
                broken(b -> b.maxNewTokens(0), "maxNewTokens is at least 1, seen 0"),
                broken(b -> b.repetitionPenalty(0f), "repetitionPenalty is a number above 0"),
                broken(b -> b.noRepeatNgramSize(-1), "noRepeatNgramSize is at least 0, seen -1"),
                broken(b -> b.suppressTokens(List.of(-1)), "suppressTokens are ids, at least 0"),
                broken(b -> b.temperature(-1f), "temperature is a number of at least 0"),
                broken(b -> b.topK(-1), "topK is at least 0, seen -1"),
                broken(b -> b.topP(0f), "topP is above 0 and at most 1, seen 0.0"));
    }

    @ParameterizedTest
    @MethodSource("brokenOptions")
    void refusesABrokenOption(UnaryOperator<PipelineOptions.Builder> change, String message) {
        assertThatThrownBy(() -> change.apply(PipelineOptions.builder()).build())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(message);
    }

    @Test
    void replacesDecodingDefaults() {
        GenerationOptions defaults =
                new GenerationOptions(
                        1, 1, 1f, 0, null, 100, null, 1.5, 10, 1f, 0, List.of(), 0f, 0, 1f);

        assertThat(PipelineOptions.defaults().generation(defaults)).isEqualTo(defaults);
        assertThat(OTHER.generation(defaults))
                .isEqualTo(
                        new GenerationOptions(
                                4,
                                2,
                                0.6f,
                                5,
                                null,
                                100,
                                null,
                                1.5,
                                10,
                                1.2f,
                                3,
                                List.of(7, 8),
                                0f,
                                50,
                                0.9f));
        assertThatThrownBy(
                        () ->
                                PipelineOptions.builder()
                                        .maxNewTokens(101)
                                        .build()
                                        .generation(defaults))
                .hasMessageContaining("maxNewTokens is at most the bundle's 100, seen 101");
    }

    @Test
    void aMinimumOfTheJobGoesBeforeTheBundlesOfPromptAndAnswerTogether() {
        GenerationOptions defaults =
                new GenerationOptions(
                        1, 1, 1f, 0, 20, 49, 50, null, null, 1f, 0, List.of(), 0f, 0, 1f);
        PipelineOptions job = PipelineOptions.builder().minNewTokens(3).build();

        assertThat(PipelineOptions.defaults().generation(defaults).minimum(4)).isEqualTo(16);
        assertThat(job.generation(defaults).minimum(4)).isEqualTo(3);
    }

    private static Arguments broken(UnaryOperator<PipelineOptions.Builder> change, String message) {
        return Arguments.of(change, message);
    }
}
