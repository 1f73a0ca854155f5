package io.streamformer.decode;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.streamformer.bundle.Bundle;
import io.streamformer.bundle.BundleException;
import io.streamformer.inference.GenerationOptions;
import io.streamformer.inference.ModelOutput;
import io.streamformer.testing.TestBundle;
import io.streamformer.tokenize.TokenizedText;
import io.streamformer.tokenize.Tokenizer;
import java.util.List;
import org.junit.jupiter.api.Test;

class PredictionDecoderTest {

    private static final TokenizedText TEXT = new TokenizedText(new long[] {2, 5, 3}, null, false);

    @Test
    void givesTheProbabilityOfEachLabel() {
        PredictionDecoder decoder = new ClassificationDecoder(List.of("no", "maybe", "yes"));
        ModelOutput output = new ModelOutput.Logits(new float[] {9, 9, 9, 1, 2, 3}, 3);

        Prediction.Classification answer =
                (Prediction.Classification) decoder.decode(output, 1, TEXT);

        assertThat(answer.label()).isEqualTo("yes");
        assertThat(answer.score()).isCloseTo(0.66524f, within(1e-5f));
        assertThat(answer.scores().keySet()).containsExactly("no", "maybe", "yes");
        assertThat(answer.scores().get("no")).isCloseTo(0.09003f, within(1e-5f));
        assertThat(answer.inputTokens()).isEqualTo(3);
    }

    @Test
    void survivesLargeLogits() {
        PredictionDecoder decoder = new ClassificationDecoder(List.of("a", "b"));

        Prediction.Classification answer =
                (Prediction.Classification)
                        decoder.decode(
                                new ModelOutput.Logits(new float[] {3e38f, -3e38f}, 2), 0, TEXT);

        assertThat(answer.score()).isEqualTo(1f);
    }

    @Test
    void refusesLogitsThatAreNoNumbers() {
        PredictionDecoder decoder = new ClassificationDecoder(List.of("a", "b"));
        ModelOutput output = new ModelOutput.Logits(new float[] {Float.NaN, 1}, 2);

        assertThatThrownBy(() -> decoder.decode(output, 0, TEXT))
                .isInstanceOf(ArithmeticException.class)
                .hasMessageContaining("NaN");
    }

    @Test
    void refusesAnotherNumberOfLogits() {
        PredictionDecoder decoder = new ClassificationDecoder(List.of("a", "b", "c"));
        ModelOutput output = new ModelOutput.Logits(new float[] {1, 2}, 2);

        assertThatThrownBy(() -> decoder.decode(output, 0, TEXT))
                .isInstanceOf(BundleException.class)
                .hasMessageContaining("2 logits");
    }

    @Test
    void endsAGeneratedTextAtItsEndTokenOrItsLimit() {
        Bundle bundle = Bundle.read(TestBundle.resource(TestBundle.TRANSLATION));
        try (Tokenizer tokenizer = Tokenizer.load(bundle)) {
            int eos = bundle.manifest().decoding().eosTokenId();
            long[] hello = withoutEnd(tokenizer.tokenize("ab", null).ids(), eos);
            int length = hello.length + 2;
            long[] ids = new long[4 * length];
            // Two rows of two hypotheses: the first ends, the second is cut by its limit.
            System.arraycopy(hello, 0, ids, 0, hello.length);
            ids[hello.length] = eos;
            ids[hello.length + 1] = hello[0];
            System.arraycopy(hello, 0, ids, 2 * length, hello.length);
            GenerationOptions generation = new GenerationOptions(2, 1f, 0, hello.length, 100, 0);
            ModelOutput output =
                    new ModelOutput.Sequences(ids, new float[] {-1, -2, -3, -4}, 2, length);
            PredictionDecoder loose =
                    new GenerationDecoder(
                            tokenizer, new GenerationOptions(2, 1f, 0, 100, 100, 0), eos);
            PredictionDecoder tight = new GenerationDecoder(tokenizer, generation, eos);

            Prediction.Generation ended = (Prediction.Generation) loose.decode(output, 0, TEXT);
            Prediction.Generation cut = (Prediction.Generation) tight.decode(output, 1, TEXT);

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

    private static long[] withoutEnd(long[] ids, int eos) {
        return java.util.Arrays.stream(ids).filter(id -> id != eos).toArray();
    }
}
