package io.streamformer.inference;

import java.util.List;
import org.apache.flink.annotation.Internal;

/** Runs batches on one thread. */
@FunctionalInterface
@Internal
public interface ModelRunner {

    /**
     * Runs the rows as one batch, padded to the longest.
     *
     * @param rows at least one row
     * @param generation how to decode; ignored by a model that does not generate
     * @throws ModelException if the engine failed
     */
    ModelOutput run(List<ModelInput> rows, GenerationOptions generation);

    /**
     * Asks the run under way to end; it fails after the operator that it is at. Called by any
     * thread; does nothing between two runs.
     */
    default void terminate() {}
}
