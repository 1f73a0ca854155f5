package io.streamformer.engine;

import org.apache.flink.annotation.Internal;

/** One text could not be answered; its neighbours are not concerned. */
@Internal
public final class InferenceException extends RuntimeException {

    /** Where on its way the text failed. */
    public enum Stage {
        VALIDATE,
        TOKENIZE,
        INFERENCE,
        DECODE,
        TIMEOUT
    }

    private final Stage stage;

    /** Says which rule was broken and the value seen. */
    public InferenceException(Stage stage, String message, Throwable cause) {
        super(message, cause);
        this.stage = stage;
    }

    public Stage stage() {
        return stage;
    }
}
