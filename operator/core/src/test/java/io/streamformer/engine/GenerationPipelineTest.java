package io.streamformer.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.streamformer.batch.Priority;
import io.streamformer.bundle.DecodingOptions;
import io.streamformer.inference.Device;
import io.streamformer.options.Options;
import io.streamformer.task.TextGeneration;
import io.streamformer.testing.TestBundle;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The decoding options of a job and of a text, on a graph that has them all as inputs. */
@Timeout(120)
class GenerationPipelineTest {

    private static final Options CPU = Options.DEFAULTS.with(ModelOptions.DEVICE, Device.CPU);
    private static final Path OPTIONS = TestBundle.resource("tiny-options");
    private static final String TEXT = "the dog and the cat sleep on the street";

    /** The id of the word great in the tiny vocabulary. */
    private static final int GREAT = 113;

    @BeforeEach
    void closeSessionsWithTheirLease() {
        SessionRegistry.linger(Duration.ZERO);
    }

    @TempDir private Path temp;

    @AfterEach
    void everyLeaseWasGivenBack() {
        assertThat(SessionRegistry.size()).isZero();
    }

    @Test
    void aRowCostsItsAnswerTooSoThatFewerFitIntoABatch() throws Exception {
        // Eight such rows are within the budget by what they read, and not with what they write.
        int length = 10;
        Options tight =
                CPU.with(ModelOptions.RUN_THREADS, 1)
                        .with(ModelOptions.MAX_TOKENS, 8 * length)
                        .with(DecodingOptions.MIN_NEW_TOKENS, 8);
        try (InferencePipeline pipeline = open(tight)) {
            assertThat(answer(pipeline, TextInput.of(TEXT)).inputTokens()).isEqualTo(length);
            long batches = pipeline.stats().batches();
            List<CompletableFuture<Answer>> answers = new ArrayList<>();
            for (int i = 0; i < 64; i++) {
                answers.add(pipeline.submit(TextInput.of(TEXT)));
            }
            CompletableFuture.allOf(answers.toArray(new CompletableFuture<?>[0])).get();
            assertThat(pipeline.stats().batches() - batches).isGreaterThan(64 / 8);
        }
    }

    @Test
    void answersWithTheNextBestTextsToo() throws Exception {
        try (InferencePipeline pipeline = open(CPU.with(DecodingOptions.NUM_RETURN_SEQUENCES, 3))) {
            TextGeneration.Generation answer = answer(pipeline, TextInput.of(TEXT));

            assertThat(answer.alternatives()).hasSize(2);
            List<Float> scores = new ArrayList<>(List.of(answer.score()));
            answer.alternatives().forEach(other -> scores.add(other.score()));
            assertThat(scores).isSortedAccordingTo(Comparator.reverseOrder());
        }
    }

    @Test
    void scoresEachToken() throws Exception {
        try (InferencePipeline pipeline = open(CPU.with(DecodingOptions.LENGTH_PENALTY, 1f))) {
            TextGeneration.Generation answer = answer(pipeline, TextInput.of(TEXT));

            assertThat(answer.tokenScores()).hasSize(answer.outputTokens());
            double sum = answer.tokenScores().stream().mapToDouble(score -> score).sum();
            assertThat((float) sum / answer.outputTokens())
                    .isCloseTo(answer.score(), within(1e-4f));
        }
    }

    @Test
    void alignsWordsInCharacters() throws Exception {
        try (InferencePipeline pipeline = open(CPU.with(DecodingOptions.MIN_NEW_TOKENS, 6))) {
            String text = "  \uD83D\uDE00 " + TEXT;
            TextGeneration.Generation answer = answer(pipeline, TextInput.of(text));

            assertThat(answer.alignments()).isNotEmpty();
            Set<String> words = new HashSet<>(List.of(TEXT.split(" ")));
            for (TextGeneration.Alignment word : answer.alignments()) {
                assertThat(slice(text, word.sourceStart(), word.sourceEnd())).isIn(words);
                assertThat(slice(answer.text(), word.targetStart(), word.targetEnd()))
                        .doesNotContain(" ")
                        .isNotEmpty();
                assertThat(word.score()).isBetween(0f, 1f);
            }
        }
    }

    @Test
    void theSameSeedGivesTheSameSampleWhateverTheNeighbours() throws Exception {
        try (InferencePipeline pipeline =
                open(CPU.with(DecodingOptions.TEMPERATURE, 1f).with(DecodingOptions.TOP_K, 50))) {
            List<String> alone = new ArrayList<>();
            for (long seed = 0; seed < 12; seed++) {
                alone.add(answer(pipeline, seeded(seed)).text());
            }
            List<CompletableFuture<Answer>> together = new ArrayList<>();
            for (long seed = 0; seed < 12; seed++) {
                together.add(pipeline.submit(seeded(seed)));
                together.add(pipeline.submit(TextInput.of("no")));
            }
            for (int seed = 0; seed < 12; seed++) {
                TextGeneration.Generation answer =
                        (TextGeneration.Generation) together.get(2 * seed).get().prediction();
                assertThat(answer.text()).isEqualTo(alone.get(seed));
            }
            assertThat(new HashSet<>(alone)).hasSizeGreaterThan(6);
            assertThat(answer(pipeline, TextInput.of(TEXT)).text()).isEqualTo(alone.get(0));
        }
    }

    @Test
    void optionsOfTheJobReachTheGraph() throws Exception {
        String text = "I am so happy!!!";
        String plain;
        try (InferencePipeline pipeline = open(fp32())) {
            plain = answer(pipeline, TextInput.of(text)).text();
        }
        assertThat(plain).contains("great great great");
        for (Options options :
                List.of(
                        fp32().with(DecodingOptions.NO_REPEAT_NGRAM_SIZE, 2),
                        fp32().with(DecodingOptions.REPETITION_PENALTY, 20f))) {
            try (InferencePipeline pipeline = open(options)) {
                assertThat(answer(pipeline, TextInput.of(text)).text())
                        .doesNotContain("great great great");
            }
        }
        try (InferencePipeline pipeline =
                open(fp32().with(DecodingOptions.SUPPRESS_TOKENS, List.of(GREAT)))) {
            assertThat(answer(pipeline, TextInput.of(text)).text())
                    .doesNotContain("great great great");
        }
    }

    private static Options fp32() {
        return CPU.with(ModelOptions.VARIANT, "fp32").with(DecodingOptions.NUM_BEAMS, 1);
    }

    @Test
    void aTextMayHaveALowerLimit() throws Exception {
        try (InferencePipeline pipeline = open(CPU.with(DecodingOptions.MIN_NEW_TOKENS, 8))) {
            TextInput limited = new TextInput(TEXT, null, null, null, 3, null, Priority.NORMAL);
            assertThat(answer(pipeline, limited).outputTokens()).isEqualTo(3);
            assertThat(answer(pipeline, limited).truncated()).isTrue();
            assertThat(answer(pipeline, TextInput.of(TEXT)).outputTokens()).isGreaterThan(7);
            TextInput none = new TextInput(TEXT, null, null, null, 0, null, Priority.NORMAL);
            assertRefused(pipeline, none, "max_new_tokens is 0. It must be at least 1.");
        }
    }

    @Test
    void aPromptAndItsAnswerShareTheirLimit() throws Exception {
        TestBundle bundle = TestBundle.copyOf("tiny-generation", temp);
        int total = 16;
        bundle.manifest(
                m -> {
                    ObjectNode decoding = (ObjectNode) m.get("decoding");
                    decoding.remove("max_length_factor");
                    decoding.remove("max_length_offset");
                    decoding.put("max_new_tokens", total - 1).put("max_total_tokens", total);
                    // Golden texts were made without them.
                    m.get("variants")
                            .forEach(v -> ((ObjectNode) v.get("tolerance")).put("equal_share", 0));
                });
        Options never = CPU.with(DecodingOptions.MIN_NEW_TOKENS, total);
        try (InferencePipeline pipeline = InferencePipeline.acquire(bundle.folder(), never)) {
            for (String text : List.of("no", "the dog and the cat")) {
                TextGeneration.Generation answer = answer(pipeline, TextInput.of(text));
                assertThat(answer.inputTokens() + answer.outputTokens()).isEqualTo(total);
                assertThat(answer.truncated()).isTrue();
            }
        }
    }

    @Test
    void theTargetLanguageIsTheFirstToken() throws Exception {
        TestBundle bundle = TestBundle.copyOf("tiny-options", temp);
        bundle.manifest(
                m -> {
                    m.putArray("target_languages").add("fr").add("pt-BR");
                    ((ObjectNode) m.get("decoding"))
                            .putObject("target_language_tokens")
                            .put("fr", 20)
                            .put("pt-BR", 30);
                    // Golden texts were made without them.
                    m.get("variants")
                            .forEach(v -> ((ObjectNode) v.get("tolerance")).put("equal_share", 0));
                });
        try (InferencePipeline pipeline = InferencePipeline.acquire(bundle.folder(), CPU)) {
            assertThat(startOf(pipeline, null)).isEqualTo(startOf(pipeline, "fr"));
            assertThat(startOf(pipeline, "fr-CA")).isEqualTo(startOf(pipeline, "fr"));
            assertThat(startOf(pipeline, "PT-br")).isNotEqualTo(startOf(pipeline, "fr"));
            assertRefused(
                    pipeline,
                    to("ja"),
                    "target_language is 'ja', which is none of the 2 languages of tiny-options");
        }
    }

    @Test
    void anOptionThatTheGraphDoesNotHaveIsRefused() {
        assertThatThrownBy(
                        () ->
                                InferencePipeline.acquire(
                                        TestBundle.resource(TestBundle.TRANSLATION),
                                        CPU.with(DecodingOptions.NO_REPEAT_NGRAM_SIZE, 3)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("has no input no_repeat_ngram_size")
                .hasMessageContaining("--with");
        assertThatThrownBy(
                        () ->
                                open(
                                        CPU.with(DecodingOptions.NUM_BEAMS, 2)
                                                .with(DecodingOptions.TEMPERATURE, 1f)))
                .hasMessageContaining(
                        "model.num-beams is 2. With a temperature above 0 it must be 1.");
        assertThatThrownBy(() -> open(CPU.with(DecodingOptions.NUM_RETURN_SEQUENCES, 5)))
                .hasMessageContaining(
                        "model.num-return-sequences is 5. It must be at most model.num-beams, which is 4.");
    }

    private static InferencePipeline open(Options options) {
        return InferencePipeline.acquire(OPTIONS, options);
    }

    private static TextGeneration.Generation answer(InferencePipeline pipeline, TextInput input)
            throws Exception {
        return (TextGeneration.Generation) pipeline.submit(input).get().prediction();
    }

    private static void assertRefused(InferencePipeline pipeline, TextInput input, String reason) {
        assertThatThrownBy(() -> pipeline.submit(input).get())
                .cause()
                .isInstanceOfSatisfying(
                        InferenceException.class,
                        e -> assertThat(e.stage()).isEqualTo(InferenceException.Stage.VALIDATE))
                .hasMessageContaining(reason);
    }

    private static TextInput seeded(long seed) {
        return new TextInput(TEXT, null, null, null, null, seed, Priority.NORMAL);
    }

    private static TextInput to(String language) {
        return new TextInput(TEXT, null, null, language, 1, null, Priority.NORMAL);
    }

    private static String startOf(InferencePipeline pipeline, String language) throws Exception {
        return answer(pipeline, to(language)).text();
    }

    private static String slice(String text, int start, int end) {
        int from = text.offsetByCodePoints(0, start);
        return text.substring(from, text.offsetByCodePoints(from, end - start));
    }
}
