package io.streamformer.task;

import io.streamformer.bundle.Bundle;
import io.streamformer.bundle.GoldenText;
import io.streamformer.inference.GenerationOptions;
import io.streamformer.inference.ModelInput;
import io.streamformer.inference.ModelOutput;
import io.streamformer.tokenize.Tokenizer;
import java.util.Arrays;
import java.util.Set;
import org.apache.flink.annotation.Internal;

/** The vector of a text, as the graph pooled it. */
@Internal
public final class FeatureExtraction implements TaskDefinition {

    static final FeatureExtraction TASK = new FeatureExtraction();

    private static final String EMBEDDINGS = "embeddings";

    /** The vector of a text. */
    @SuppressWarnings("ArrayRecordComponent") // handed over once, never compared
    public record Embedding(float[] vector, int inputTokens, boolean truncated)
            implements Prediction {

        @Override
        public int heapBytes() {
            return HeapBytes.OBJECT + vector.length * Float.BYTES;
        }
    }

    private FeatureExtraction() {}

    @Override
    public Set<String> outputs() {
        return Set.of(EMBEDDINGS);
    }

    @Override
    public PredictionDecoder decoder(
            Bundle bundle, Tokenizer tokenizer, GenerationOptions generation) {
        return FeatureExtraction::decode;
    }

    private static Embedding decode(ModelOutput output, int row, ModelInput input) {
        int width = output.axis(EMBEDDINGS, 1);
        float[] vector =
                Arrays.copyOfRange(output.floats(EMBEDDINGS), row * width, (row + 1) * width);
        for (float value : vector) {
            Scores.checkFinite(value, "the numbers of an embedding");
        }
        return new Embedding(vector, input.text().length(), input.text().truncated());
    }

    @Override
    public GoldenAnswer golden(GoldenText text, Bundle bundle) {
        float[] wanted = text.answer(Golden.class).embedding();
        if (wanted == null) {
            throw text.without("an embedding", bundle.manifest());
        }
        return (actual, check) -> {
            float[] vector = ((Embedding) actual).vector();
            check.sameCount("the embedding", wanted.length, vector.length);
            for (int i = 0; i < wanted.length; i++) {
                check.close("number " + i + " of the embedding", wanted[i], vector[i]);
            }
            return null;
        };
    }

    @SuppressWarnings("ArrayRecordComponent") // read once, never compared
    private record Golden(float[] embedding) {}
}
