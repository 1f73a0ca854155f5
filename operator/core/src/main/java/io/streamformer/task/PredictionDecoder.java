package io.streamformer.task;

import io.streamformer.bundle.Bundle;
import io.streamformer.bundle.DecodingOptions;
import io.streamformer.bundle.Manifest;
import io.streamformer.inference.GenerationOptions;
import io.streamformer.inference.ModelInput;
import io.streamformer.inference.ModelOutput;
import io.streamformer.tokenize.Tokenizer;
import java.util.List;

/** Turns a row of model output into the prediction of a task; used by many threads. */
public interface PredictionDecoder {

    /**
     * The prediction for one row of a batch.
     *
     * @param input what the model read in this row
     */
    Prediction decode(ModelOutput output, int row, ModelInput input);

    /**
     * The prediction for a text that was read in several windows.
     *
     * @param windows the prediction for each window, at least one
     */
    default Prediction merge(List<Prediction> windows) {
        throw new IllegalStateException("no text of this task has windows: this is a bug");
    }

    /**
     * The decoder of a bundle's task.
     *
     * @param generation how the model generates; ignored by one that does not
     */
    static PredictionDecoder of(Bundle bundle, Tokenizer tokenizer, GenerationOptions generation) {
        Manifest manifest = bundle.manifest();
        return switch (manifest.task()) {
            case TEXT_CLASSIFICATION ->
                    new ClassificationDecoder(manifest.labels(), manifest.problemType());
            case TOKEN_CLASSIFICATION ->
                    new EntityDecoder(manifest.labels(), manifest.aggregation());
            case QUESTION_ANSWERING -> new AnswerDecoder(manifest.alignToWords());
            case FEATURE_EXTRACTION -> new EmbeddingDecoder();
            case TRANSLATION, SUMMARIZATION, TEXT2TEXT_GENERATION, TEXT_GENERATION ->
                    new GenerationDecoder(
                            tokenizer,
                            generation.get(DecodingOptions.NUM_RETURN_SEQUENCES),
                            manifest.decoding());
        };
    }
}
