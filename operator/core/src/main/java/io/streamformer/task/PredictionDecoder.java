package io.streamformer.task;

import io.streamformer.inference.ModelInput;
import io.streamformer.inference.ModelOutput;
import java.util.List;
import org.apache.flink.annotation.Internal;

/** Turns a row of model output into the prediction of a task; used by many threads. */
@FunctionalInterface
@Internal
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
}
