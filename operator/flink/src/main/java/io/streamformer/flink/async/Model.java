package io.streamformer.flink.async;

import io.streamformer.bundle.Manifest;
import io.streamformer.engine.Answer;
import io.streamformer.engine.TextInput;
import java.io.Serializable;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import org.apache.flink.annotation.Internal;
import org.apache.flink.api.common.functions.RuntimeContext;

/**
 * A running model as the async function sees it. There is one in production, {@link PipelineModel};
 * tests put one written by hand in its place.
 */
@Internal
public interface Model extends AutoCloseable {

    Manifest manifest();

    /** Texts that have to be under way for the device to stay busy. */
    int minimumCapacity();

    /**
     * Queues a text; the future fails with an InferenceException where the text is at fault.
     *
     * @param timeout longest time that a run may work on the text; waiting for it does not count
     */
    CompletableFuture<Answer> submit(TextInput input, Duration timeout);

    @Override
    void close();

    /** Where a subtask gets its model from. */
    interface Source extends Serializable {
        Model open(RuntimeContext context);

        /** As {@link Model#minimumCapacity}, for this machine and before the model is opened. */
        default int neededCapacity() {
            return 1;
        }
    }
}
