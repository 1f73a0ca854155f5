package io.streamformer.inference;

import org.apache.flink.annotation.Internal;

/** A run that gave no answer. */
@Internal
public final class ModelException extends RuntimeException {

    private final boolean outOfMemory;

    /**
     * A failed run.
     *
     * @param message what ONNX Runtime says
     * @param outOfMemory whether a smaller batch would have fitted
     * @param cause ONNX Runtime's failure
     */
    public ModelException(String message, boolean outOfMemory, Throwable cause) {
        super(message, cause);
        this.outOfMemory = outOfMemory;
    }

    /** True where a smaller batch would have fitted into the device's memory. */
    public boolean outOfMemory() {
        return outOfMemory;
    }
}
