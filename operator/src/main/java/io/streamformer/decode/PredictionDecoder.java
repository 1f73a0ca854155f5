package io.streamformer.decode;

import io.streamformer.bundle.Bundle;
import io.streamformer.bundle.BundleException;
import io.streamformer.bundle.Task;
import io.streamformer.inference.GenerationOptions;
import io.streamformer.inference.ModelOutput;
import io.streamformer.tokenize.TokenizedText;
import io.streamformer.tokenize.Tokenizer;

/** Turns a row of model output into the prediction of a task; used by many threads. */
public interface PredictionDecoder {

    /**
     * The prediction for one row of a batch.
     *
     * @param text what the model read in this row
     */
    Prediction decode(ModelOutput output, int row, TokenizedText text);

    /**
     * The decoder of a bundle's task.
     *
     * @param generation how the model generates; ignored by a classifier
     */
    static PredictionDecoder of(Bundle bundle, Tokenizer tokenizer, GenerationOptions generation) {
        Task task = bundle.manifest().task();
        if (task.generates()) {
            return new GenerationDecoder(
                    tokenizer, generation, bundle.manifest().decoding().eosTokenId());
        }
        if (task == Task.TEXT_CLASSIFICATION) {
            return new ClassificationDecoder(bundle.manifest().labels());
        }
        throw new BundleException(
                "the task is one that this release answers: text-classification, translation,"
                        + " summarization, text2text-generation",
                task.id(),
                "use a bundle of one of these tasks");
    }
}
