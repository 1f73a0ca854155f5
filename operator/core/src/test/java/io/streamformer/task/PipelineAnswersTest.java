package io.streamformer.task;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.streamformer.bundle.Aggregation;
import io.streamformer.bundle.Bundle;
import io.streamformer.bundle.ProblemType;
import io.streamformer.inference.ModelInput;
import io.streamformer.inference.ModelOutput;
import io.streamformer.testing.TestBundle;
import io.streamformer.tokenize.TokenSpans;
import io.streamformer.tokenize.TokenizedText;
import io.streamformer.tokenize.Tokenizer;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Holds the decoders against what transformers' pipelines read from the same logits. */
class PipelineAnswersTest {

    private static final float CLOSE = 1e-6f;

    @TempDir private Path temp;
    private JsonNode answers;
    private List<String> labels;

    @BeforeEach
    void read() throws IOException {
        try (InputStream in = getClass().getResourceAsStream("pipeline-answers.json")) {
            answers = new JsonMapper().readTree(in);
        }
        labels = stream(answers.get("labels")).map(JsonNode::asText).toList();
    }

    @ParameterizedTest
    @EnumSource(Aggregation.class)
    void entities(Aggregation aggregation) {
        PredictionDecoder decoder = TokenClassification.decoder(labels, aggregation);
        String strategy = aggregation.name().toLowerCase(Locale.ROOT);
        int found = 0;
        try (Tokenizer tokenizer = tokenizer("token-classification")) {
            for (JsonNode golden : answers.get("entities")) {
                String text = golden.get("text").asText();
                TokenizedText tokens = tokenizer.tokenize(text, null);
                assertThat(golden.get("logits")).hasSize(tokens.length());
                float[] row = floats(golden.get("logits"));
                // A row of padding in front and tokens of padding behind change nothing.
                int length = tokens.length() + 2;
                float[] values = new float[2 * length * labels.size()];
                System.arraycopy(row, 0, values, length * labels.size(), row.length);
                TokenClassification.Entities answer =
                        (TokenClassification.Entities)
                                decoder.decode(
                                        Outputs.tokenLogits(values, length, labels.size()),
                                        1,
                                        ModelInput.of(tokens, null));
                JsonNode wanted = golden.get("answers").get(strategy);
                assertThat(answer.entities()).as(text).hasSameSizeAs(wanted);
                for (int i = 0; i < wanted.size(); i++) {
                    TokenClassification.Entity entity = answer.entities().get(i);
                    assertThat(entity.label()).isEqualTo(wanted.get(i).get("label").asText());
                    assertThat(entity.start()).isEqualTo(wanted.get(i).get("start").asInt());
                    assertThat(entity.end()).isEqualTo(wanted.get(i).get("end").asInt());
                    assertThat(entity.score())
                            .isCloseTo(wanted.get(i).get("score").floatValue(), within(CLOSE));
                    assertThat(entity.text()).isEqualTo(slice(text, entity.start(), entity.end()));
                    found++;
                }
            }
        }
        assertThat(found).isGreaterThan(50);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void answersToQuestions(boolean alignToWords) {
        int widened = 0;
        try (Tokenizer tokenizer = tokenizer("question-answering")) {
            for (JsonNode golden : answers.get("answers")) {
                String context = golden.get("context").asText();
                TokenizedText tokens = tokenizer.tokenize(golden.get("question").asText(), context);
                assertThat(golden.get("starts")).hasSize(tokens.length());
                QuestionAnswering.Answer answer =
                        (QuestionAnswering.Answer)
                                QuestionAnswering.decoder(alignToWords)
                                        .decode(
                                                Outputs.spanLogits(
                                                        floats(golden.get("starts")),
                                                        floats(golden.get("ends")),
                                                        tokens.length()),
                                                0,
                                                ModelInput.of(tokens, null));
                JsonNode place = alignToWords ? golden.get("words") : golden;
                assertThat(answer.start()).isEqualTo(place.get("start").asInt());
                assertThat(answer.end()).isEqualTo(place.get("end").asInt());
                assertThat(answer.score())
                        .isCloseTo(golden.get("score").floatValue(), within(CLOSE));
                assertThat(answer.text()).isEqualTo(slice(context, answer.start(), answer.end()));
                if (answer.end() - answer.start()
                        > golden.get("end").asInt() - golden.get("start").asInt()) {
                    widened++;
                }
            }
        }
        assertThat(widened).isEqualTo(alignToWords ? answers.get("widened").asInt() : 0);
    }

    @ParameterizedTest
    @EnumSource(ProblemType.class)
    void classifications(ProblemType type) {
        JsonNode golden =
                stream(answers.get("classifications"))
                        .filter(c -> c.get("problem_type").asText().equals(type.id()))
                        .findFirst()
                        .orElseThrow();
        TextClassification.Classification answer =
                (TextClassification.Classification)
                        TextClassification.decoder(labels, type)
                                .decode(
                                        Outputs.logits(floats(golden.get("logits")), labels.size()),
                                        0,
                                        ModelInput.of(
                                                new TokenizedText(new long[3], null, true), null));

        // The pipeline has the best label first.
        assertThat(answer.label()).isEqualTo(golden.get("scores").fieldNames().next());
        assertThat(answer.score()).isEqualTo(answer.scores().get(answer.label()));
        assertThat(answer.scores()).hasSameSizeAs(labels);
        golden.get("scores")
                .properties()
                .forEach(
                        score ->
                                assertThat(answer.scores().get(score.getKey()))
                                        .isCloseTo(score.getValue().floatValue(), within(CLOSE)));
        assertThat(answer.truncated()).isTrue();
    }

    @Test
    void theBestWindowAnswers() {
        QuestionAnswering.Answer low = new QuestionAnswering.Answer("no", 0.25f, 3, 5, 10, false);
        QuestionAnswering.Answer high = new QuestionAnswering.Answer("yes", 0.5f, 40, 43, 9, false);

        assertThat(QuestionAnswering.decoder(false).merge(List.of(low, high)))
                .isEqualTo(new QuestionAnswering.Answer("yes", 0.5f, 40, 43, 19, false));
    }

    @Test
    void aVectorIsTheRowsOwn() {
        ModelOutput output = Outputs.embeddings(new float[] {1, 2, 3, 4}, 2);
        ModelInput input = ModelInput.of(new TokenizedText(new long[3], null, false), null);

        FeatureExtraction.Embedding answer =
                (FeatureExtraction.Embedding)
                        FeatureExtraction.TASK.decoder(null, null, null).decode(output, 1, input);

        assertThat(answer.vector()).containsExactly(3, 4);
        assertThat(answer.inputTokens()).isEqualTo(3);
    }

    @Test
    void aWordIsAlignedToTheWordThatItLookedAtMost() {
        // "a 👍b" was read as [a][ 👍][b][end]; "xy z." was written as [x][y][ z.].
        TokenSpans source =
                new TokenSpans(
                        "a \uD83D\uDC4Db",
                        new int[] {0, 1, 3, TokenSpans.NONE},
                        new int[] {1, 3, 4, TokenSpans.NONE},
                        null);
        TokenSpans target = new TokenSpans("xy z.", new int[] {0, 1, 2}, new int[] {1, 2, 5}, null);
        float[] attention = {
            0.1f, 0.1f, 0.6f, 0.2f,
            0.3f, 0.1f, 0.2f, 0.4f,
            0.5f, 0.1f, 0.2f, 0.2f,
        };
        TextGeneration.Sequences sequences =
                new TextGeneration.Sequences(
                        new long[3], new float[1], 1, 3, null, attention, source.starts().length);

        List<TextGeneration.Alignment> words = WordAlignment.of(sequences, 0, source, target);

        assertThat(words).hasSize(2);
        assertThat(words.get(0))
                .usingRecursiveComparison()
                .withEqualsForType((a, b) -> Math.abs(a - b) < CLOSE, Float.class)
                .isEqualTo(new TextGeneration.Alignment(3, 4, 0, 2, 0.4f));
        assertThat(words.get(1))
                .usingRecursiveComparison()
                .withEqualsForType((a, b) -> Math.abs(a - b) < CLOSE, Float.class)
                .isEqualTo(new TextGeneration.Alignment(0, 1, 3, 4, 0.5f));
    }

    /** The tokenizer of the tiny sentiment model, for another task. */
    private Tokenizer tokenizer(String task) {
        TestBundle bundle =
                TestBundle.copyOf(TestBundle.SENTIMENT, temp).manifest(m -> m.put("task", task));
        return Tokenizer.load(Bundle.read(bundle.folder()));
    }

    private static String slice(String text, int start, int end) {
        return text.codePoints()
                .skip(start)
                .limit(end - start)
                .collect(StringBuilder::new, StringBuilder::appendCodePoint, StringBuilder::append)
                .toString();
    }

    private static float[] floats(JsonNode array) {
        List<JsonNode> numbers =
                stream(array).flatMap(n -> n.isArray() ? stream(n) : Stream.of(n)).toList();
        float[] values = new float[numbers.size()];
        for (int i = 0; i < values.length; i++) {
            values[i] = numbers.get(i).floatValue();
        }
        return values;
    }

    private static Stream<JsonNode> stream(JsonNode array) {
        return StreamSupport.stream(array.spliterator(), false);
    }
}
