package io.streamformer.pipeline;

import io.streamformer.batch.BatchRow;
import io.streamformer.batch.Priority;
import io.streamformer.decode.Prediction;
import io.streamformer.inference.ModelInput;
import java.util.concurrent.CompletableFuture;

/** A tokenized text on its way to its prediction; the future that its sender holds. */
final class QueuedText extends CompletableFuture<Prediction> implements BatchRow {

    private final ModelInput input;
    private final long arrivalNanos;
    private final Priority priority;

    QueuedText(ModelInput input, long arrivalNanos, Priority priority) {
        this.input = input;
        this.arrivalNanos = arrivalNanos;
        this.priority = priority;
    }

    ModelInput input() {
        return input;
    }

    @Override
    public int length() {
        return input.text().length();
    }

    @Override
    public long arrivalNanos() {
        return arrivalNanos;
    }

    @Override
    public Priority priority() {
        return priority;
    }

    @Override
    public boolean abandoned() {
        return isDone();
    }
}
