package io.streamformer.task;

import io.streamformer.inference.ModelInput;
import io.streamformer.inference.ModelOutput;
import java.util.Arrays;

/** The vector of a row, as the graph pooled it. */
final class EmbeddingDecoder implements PredictionDecoder {

    @Override
    public Prediction decode(ModelOutput output, int row, ModelInput input) {
        ModelOutput.Embeddings embeddings = (ModelOutput.Embeddings) output;
        int from = row * embeddings.width();
        float[] vector = Arrays.copyOfRange(embeddings.values(), from, from + embeddings.width());
        for (float value : vector) {
            Scores.checkFinite(value, "the numbers of an embedding");
        }
        return new Prediction.Embedding(vector, input.text().length(), input.text().truncated());
    }
}
