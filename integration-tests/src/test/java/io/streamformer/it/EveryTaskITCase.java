package io.streamformer.it;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.streamformer.local.Main;
import io.streamformer.schemas.Answer;
import io.streamformer.schemas.Classification;
import io.streamformer.schemas.DeadLetter;
import io.streamformer.schemas.Embedding;
import io.streamformer.schemas.Entities;
import io.streamformer.schemas.Translation;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Models of every task in one job: one outcome of each for every event. */
@ExtendWith(LocalStack.Extension.class)
class EveryTaskITCase {

    private static final String CONTROL_TOKENS =
            "[CLS] [MASK] [SEP] [PAD] </s> <pad> <unk> >>fra<<";

    private static final List<Path> BUNDLES =
            List.of(
                    TestBundles.TINY_SENTIMENT,
                    TestBundles.tiny("tiny-entities"),
                    TestBundles.tiny("tiny-answers"),
                    TestBundles.tiny("tiny-embeddings"),
                    TestBundles.tiny("tiny-options"),
                    TestBundles.tiny("tiny-summary"),
                    TestBundles.tiny("tiny-generation"));

    @TempDir private Path folder;

    @Test
    void everyEventHasOneOutcomePerTask(LocalStack stack) throws Exception {
        try (TestJob job = TestJob.start(stack, BUNDLES, options -> {})) {
            job.sendPair("pair", "Who is in the park?", "The dog \uD83D\uDE00 is in the park.");
            job.sendPair("empty pair", "Who is in the park?", " ");
            job.send("text", "The good dog is in the park.");
            job.send("control tokens", CONTROL_TOKENS);
            for (int i = 0; i < 30; i++) {
                job.send("text " + i, "This is message number " + i + ".");
            }
            int events = 34;
            job.await(outcomes -> outcomes.size() >= events * BUNDLES.size());
            List<TestJob.Outcome> outcomes = job.readAll("read_committed");

            assertThat(outcomes).hasSize(events * BUNDLES.size());
            assertThat(outcomes).extracting(TestJob::identity).doesNotHaveDuplicates();
            assertThat(kinds(outcomes, "pair"))
                    .containsExactly(
                            "Answer",
                            "Classification",
                            "Embedding",
                            "validate summarization",
                            "validate text-generation",
                            "validate token-classification",
                            "validate translation");
            assertThat(kinds(outcomes, "empty pair")).contains("validate question-answering");
            for (String text : List.of("text", "control tokens", "text 7")) {
                assertThat(kinds(outcomes, text))
                        .containsExactly(
                                "Classification",
                                "Embedding",
                                "Entities",
                                "GeneratedText",
                                "Translation",
                                "validate question-answering");
            }
            assertControlTokensWereText(outcomes);
            Answer answer = find(outcomes, "pair", Answer.class);
            String context = "The dog \uD83D\uDE00 is in the park.";
            assertThat(slice(context, answer.getStart(), answer.getEnd()))
                    .isEqualTo(answer.getText());
            assertThat(find(outcomes, "text", Embedding.class).getVector()).hasSizeGreaterThan(1);
        }
    }

    /** Each of their characters was read: a control token would have been one token. */
    private static void assertControlTokensWereText(List<TestJob.Outcome> outcomes) {
        int words = CONTROL_TOKENS.split(" ").length;
        String key = "control tokens";
        assertThat(find(outcomes, key, Classification.class).getInputTokens())
                .isGreaterThan(2 * words);
        assertThat(find(outcomes, key, Entities.class).getInputTokens()).isGreaterThan(2 * words);
        assertThat(find(outcomes, key, Embedding.class).getInputTokens()).isGreaterThan(2 * words);
        Translation translation = find(outcomes, key, Translation.class);
        assertThat(translation.getInputTokens()).isGreaterThan(2 * words);
        assertThat(translation.getTokenScores()).hasSize(translation.getOutputTokens());
    }

    @ParameterizedTest
    @CsvSource({
        "tiny-entities, entities, 'The dog is in the park.'",
        "tiny-answers, answer, 'Who is here?\tThe dog is here.'",
        "tiny-embeddings, embedding, 'The dog is in the park.'",
        "tiny-toxic, sentiment, 'The dog is in the park.'",
        "tiny-summary, summary, 'The dog is in the park.'",
        "tiny-generation, continuation, 'The dog is'",
        "tiny-student, translation, 'The dog is in the park.'",
    })
    void theDemoShowsABundleOfAnyTask(String bundle, String label, String line, LocalStack stack)
            throws Exception {
        Path input = Files.writeString(folder.resolve("in.txt"), line.translateEscapes() + "\n");
        Path output = folder.resolve("out.jsonl");
        List<String> arguments =
                new ArrayList<>(
                        List.of(
                                "demo",
                                "--bundle",
                                TestBundles.tiny(bundle).toString(),
                                "--tasks",
                                label,
                                "--bootstrap-servers",
                                stack.bootstrapServers(),
                                "--topic-prefix",
                                bundle + "-"));
        arguments.addAll(List.of("--file", input.toString(), "--output", output.toString()));

        assertThat(Main.run(arguments.toArray(String[]::new))).isZero();

        JsonNode answered = new JsonMapper().readTree(output.toFile());
        assertThat(answered.get(label)).as(answered.toString()).isNotNull();
        assertThat(answered.at("/models/" + label + "/name").asText()).isEqualTo(bundle);
        assertThat(answered.has("dead_letter")).isFalse();
    }

    private static Set<String> kinds(List<TestJob.Outcome> outcomes, String key) {
        Function<TestJob.Outcome, String> kind =
                outcome ->
                        outcome.value() instanceof DeadLetter letter
                                ? letter.getStage() + " " + letter.getTask()
                                : outcome.value().getClass().getSimpleName();
        return outcomes.stream()
                .filter(outcome -> outcome.key().equals(key))
                .map(kind)
                .collect(Collectors.toCollection(TreeSet::new));
    }

    private static <T> T find(List<TestJob.Outcome> outcomes, String key, Class<T> type) {
        return outcomes.stream()
                .filter(outcome -> outcome.key().equals(key))
                .map(TestJob.Outcome::value)
                .filter(type::isInstance)
                .map(type::cast)
                .findFirst()
                .orElseThrow();
    }

    private static String slice(String text, int start, int end) {
        int from = text.offsetByCodePoints(0, start);
        return text.substring(from, text.offsetByCodePoints(from, end - start));
    }
}
