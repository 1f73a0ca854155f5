package io.streamformer.task;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.streamformer.bundle.Bundle;
import io.streamformer.bundle.BundleException;
import io.streamformer.bundle.Manifest;
import io.streamformer.bundle.ProblemType;
import io.streamformer.inference.ModelInput;
import io.streamformer.inference.ModelOutput;
import io.streamformer.testing.TestBundle;
import io.streamformer.tokenize.TokenizedText;
import io.streamformer.tokenize.Tokenizer;
import java.util.List;
import org.junit.jupiter.api.Test;

class PredictionDecoderTest {

    private static final ModelInput TEXT = input(100);

    @Test
    void givesTheProbabilityOfEachLabel() {
        PredictionDecoder decoder = classifier("no", "maybe", "yes");
        ModelOutput output = Outputs.logits(new float[] {9, 9, 9, 1, 2, 3}, 3);

        TextClassification.Classification answer =
                (TextClassification.Classification) decoder.decode(output, 1, TEXT);

        assertThat(answer.label()).isEqualTo("yes");
        assertThat(answer.score()).isCloseTo(0.66524f, within(1e-5f));
        assertThat(answer.scores().keySet()).containsExactly("no", "maybe", "yes");
        assertThat(answer.scores().get("no")).isCloseTo(0.09003f, within(1e-5f));
        assertThat(answer.inputTokens()).isEqualTo(3);
    }

    @Test
    void survivesLargeLogits() {
        PredictionDecoder decoder = classifier("a", "b");

        TextClassification.Classification answer =
                (TextClassification.Classification)
                        decoder.decode(Outputs.logits(new float[] {3e38f, -3e38f}, 2), 0, TEXT);

        assertThat(answer.score()).isEqualTo(1f);
    }

    @Test
    void refusesLogitsThatAreNoNumbers() {
        PredictionDecoder decoder = classifier("a", "b");
        ModelOutput output = Outputs.logits(new float[] {Float.NaN, 1}, 2);

        assertThatThrownBy(() -> decoder.decode(output, 0, TEXT))
                .isInstanceOf(ArithmeticException.class)
                .hasMessageContaining("NaN");
    }

    @Test
    void refusesAnotherNumberOfLogits() {
        PredictionDecoder decoder = classifier("a", "b", "c");
        ModelOutput output = Outputs.logits(new float[] {1, 2}, 2);

        assertThatThrownBy(() -> decoder.decode(output, 0, TEXT))
                .isInstanceOf(BundleException.class)
                .hasMessageContaining("2 logits");
    }

    @Test
    void endsAGeneratedTextAtItsEndTokenOrItsLimit() {
        Bundle bundle = Bundle.read(TestBundle.resource(TestBundle.TRANSLATION));
        try (Tokenizer tokenizer = Tokenizer.load(bundle)) {
            Manifest.Decoding decoding = bundle.manifest().decoding();
            int eos = decoding.eosTokenId().get(0);
            long[] hello = withoutEnd(tokenizer.tokenize("ab", null).ids(), eos);
            int length = hello.length + 2;
            long[] ids = new long[4 * length];
            // Two rows of two hypotheses: the first ends, the second is cut by its limit.
            System.arraycopy(hello, 0, ids, 0, hello.length);
            ids[hello.length] = eos;
            ids[hello.length + 1] = hello[0];
            System.arraycopy(hello, 0, ids, 2 * length, hello.length);
            ModelOutput output = Outputs.sequences(ids, new float[] {-1, -2, -3, -4}, 2, length);
            PredictionDecoder decoder = TextGeneration.decoder(tokenizer, 1, decoding);

            TextGeneration.Generation ended =
                    (TextGeneration.Generation) decoder.decode(output, 0, TEXT);
            TextGeneration.Generation cut =
                    (TextGeneration.Generation) decoder.decode(output, 1, input(hello.length));

            assertThat(ended.text()).isEqualTo("ab");
            assertThat(ended.score()).isEqualTo(-1f);
            assertThat(ended.outputTokens()).isEqualTo(hello.length + 1);
            assertThat(ended.truncated()).isFalse();
            assertThat(cut.text()).isEqualTo("ab");
            assertThat(cut.score()).isEqualTo(-3f);
            assertThat(cut.outputTokens()).isEqualTo(hello.length);
            assertThat(cut.truncated()).isTrue();
        }
    }

    @Test
    void endsATextAtAnyOfItsEndTokensAndTellsWhenItsLimitForcedOne() {
        Bundle bundle = Bundle.read(TestBundle.resource(TestBundle.TRANSLATION));
        try (Tokenizer tokenizer = Tokenizer.load(bundle)) {
            long[] ab = withoutEnd(tokenizer.tokenize("ab", null).ids(), 0);
            int other = 7;
            int length = ab.length + 1;
            long[] ids = java.util.Arrays.copyOf(ab, length);
            ids[ab.length] = other;
            ModelOutput output = Outputs.sequences(ids, new float[] {-1}, 1, length);
            PredictionDecoder ends = TextGeneration.decoder(tokenizer, 1, decoding("[0, 7]", ""));
            PredictionDecoder forces =
                    TextGeneration.decoder(
                            tokenizer, 1, decoding("[0, 7]", ", 'forced_eos_token_id': 7"));

            for (PredictionDecoder decoder : List.of(ends, forces)) {
                TextGeneration.Generation inTime =
                        (TextGeneration.Generation) decoder.decode(output, 0, input(length + 1));
                // An end token that is not special is part of the text.
                assertThat(inTime.text()).isEqualTo(tokenizer.decode(ids)).startsWith("ab");
                assertThat(inTime.text()).isNotEqualTo("ab");
                assertThat(inTime.outputTokens()).isEqualTo(length);
                assertThat(inTime.truncated()).isFalse();
            }
            assertThat(ends.decode(output, 0, input(length)).truncated()).isFalse();
            assertThat(forces.decode(output, 0, input(length)).truncated()).isTrue();
        }
    }

    private static Manifest.Decoding decoding(String ends, String more) {
        String json =
                "{'num_beams': 1, 'length_penalty': 1.0, 'max_new_tokens': 8, 'min_new_tokens': 0,"
                        + " 'eos_token_id': "
                        + ends
                        + more
                        + "}";
        try {
            return JsonMapper.builder()
                    .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
                    .build()
                    .readValue(json.replace('\'', '"'), Manifest.Decoding.class);
        } catch (JsonProcessingException e) {
            throw new AssertionError(e);
        }
    }

    private static PredictionDecoder classifier(String... labels) {
        return TextClassification.decoder(List.of(labels), ProblemType.SINGLE_LABEL);
    }

    private static ModelInput input(int maxNewTokens) {
        TokenizedText text = new TokenizedText(new long[] {2, 5, 3}, null, false);
        return new ModelInput(text, maxNewTokens, ModelInput.FREE, 0);
    }

    private static long[] withoutEnd(long[] ids, int eos) {
        return java.util.Arrays.stream(ids).filter(id -> id != eos).toArray();
    }
}
