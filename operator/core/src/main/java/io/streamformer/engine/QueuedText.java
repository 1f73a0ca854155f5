package io.streamformer.engine;

import io.streamformer.batch.BatchRow;
import io.streamformer.batch.Priority;
import io.streamformer.inference.ModelInput;
import io.streamformer.options.OptionType;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;

/** A tokenized text on its way to its prediction; the future that its sender holds. */
final class QueuedText extends CompletableFuture<Answer> implements BatchRow {

    private final ModelInput input;
    private final long arrivalNanos;
    private final Priority priority;
    private final int cost;
    private final Duration timeout;
    private int failedAlone;

    /**
     * A queued text.
     *
     * @param cost tokens that it is expected to cost: its own and the tokens of its answer
     * @param timeout longest time that a run may work on it
     */
    QueuedText(ModelInput input, int cost, long arrivalNanos, Priority priority, Duration timeout) {
        this.input = input;
        this.cost = cost;
        this.arrivalNanos = arrivalNanos;
        this.priority = priority;
        this.timeout = timeout;
    }

    ModelInput input() {
        return input;
    }

    @Override
    public int length() {
        return cost;
    }

    @Override
    public int failedAlone() {
        // One run thread at a time has the row, and the batcher's lock is between two of them.
        return ++failedAlone;
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
    public void running(long nanos) {
        if (Duration.ofNanos(nanos).compareTo(timeout) >= 0) {
            completeExceptionally(
                    new InferenceException(
                            InferenceException.Stage.TIMEOUT,
                            "the model gave no answer within "
                                    + OptionType.DURATION.write(timeout)
                                    + " of the start of its run",
                            null));
        }
    }

    @Override
    public boolean abandoned() {
        return isDone();
    }
}
