package io.streamformer.task;

import io.streamformer.bundle.Bundle;
import io.streamformer.bundle.GoldenText;
import io.streamformer.bundle.Task;
import io.streamformer.inference.GenerationOptions;
import io.streamformer.tokenize.Tokenizer;
import java.util.Set;
import org.apache.flink.annotation.Internal;

/**
 * What one task needs between a graph and its predictions. Each implementation is one file, which
 * also has the task's {@link Prediction}.
 */
@Internal
public interface TaskDefinition {

    /** The definition of a task. */
    static TaskDefinition of(Task task) {
        return switch (task) {
            case TEXT_CLASSIFICATION -> TextClassification.TASK;
            case TOKEN_CLASSIFICATION -> TokenClassification.TASK;
            case QUESTION_ANSWERING -> QuestionAnswering.TASK;
            case FEATURE_EXTRACTION -> FeatureExtraction.TASK;
            case TRANSLATION, SUMMARIZATION, TEXT2TEXT_GENERATION, TEXT_GENERATION ->
                    TextGeneration.TASK;
        };
    }

    /** The outputs that every graph of the task has, by name. */
    Set<String> outputs();

    /**
     * Reads the outputs of a bundle's graph.
     *
     * @param generation how the model generates; ignored by a task that does not
     */
    PredictionDecoder decoder(Bundle bundle, Tokenizer tokenizer, GenerationOptions generation);

    /**
     * The reference's answer to a golden text.
     *
     * @throws io.streamformer.bundle.BundleException if the line has no answer of this task
     */
    GoldenAnswer golden(GoldenText text, Bundle bundle);
}
