package io.streamformer.engine;

import io.streamformer.batch.BatchRunner;
import io.streamformer.inference.GenerationOptions;
import io.streamformer.inference.ModelException;
import io.streamformer.inference.ModelInput;
import io.streamformer.inference.ModelOutput;
import io.streamformer.inference.ModelRunner;
import io.streamformer.task.Prediction;
import io.streamformer.task.PredictionDecoder;
import java.util.AbstractList;
import java.util.List;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeoutException;

/** Runs batches of queued texts on one thread: model, decoder, and the futures' completion. */
final class PipelineRunner implements BatchRunner<QueuedText> {

    private final ModelRunner model;
    private final PredictionDecoder decoder;
    private final GenerationOptions generation;
    private final ModelInput probe;
    private final Answer.ServedModel served;
    private final PipelineStats stats;
    private final Executor answers;

    /**
     * A runner.
     *
     * @param probe a text that the model is known to answer
     * @param served what the answers say about the model
     * @param answers where outputs are decoded; elsewhere than on the run thread the device goes on
     *     meanwhile
     */
    PipelineRunner(
            ModelRunner model,
            PredictionDecoder decoder,
            GenerationOptions generation,
            ModelInput probe,
            Answer.ServedModel served,
            PipelineStats stats,
            Executor answers) {
        this.model = model;
        this.decoder = decoder;
        this.generation = generation;
        this.probe = probe;
        this.served = served;
        this.stats = stats;
        this.answers = answers;
    }

    @Override
    public void run(List<QueuedText> rows) {
        long start = System.nanoTime();
        ModelOutput output = model.run(new Inputs(rows), generation);
        long ran = System.nanoTime();
        count(rows, start, ran);
        answers.execute(() -> answer(rows, output));
    }

    private void answer(List<QueuedText> rows, ModelOutput output) {
        long start = System.nanoTime();
        for (int i = 0; i < rows.size(); i++) {
            answer(rows.get(i), output, i);
        }
        stats.decodeTime.record(System.nanoTime() - start);
    }

    /** Counted before the answers go out, so that who has an answer finds it counted. */
    private void count(List<QueuedText> rows, long start, long ran) {
        int tokens = 0;
        int longest = 0;
        for (QueuedText row : rows) {
            int length = row.input().text().length();
            tokens += length;
            longest = Math.max(longest, length);
            stats.queueTime.record(start - row.arrivalNanos());
        }
        stats.batches.increment();
        stats.realTokens.add(tokens);
        stats.paddedTokens.add((long) longest * rows.size());
        stats.runTime.record(ran - start);
    }

    private void answer(QueuedText row, ModelOutput output, int index) {
        Prediction prediction;
        try {
            prediction = decoder.decode(output, index, row.input());
        } catch (RuntimeException e) {
            stats.failures.increment();
            row.completeExceptionally(
                    new InferenceException(
                            InferenceException.Stage.DECODE,
                            "the model's output could not be decoded: " + e.getMessage(),
                            e));
            return;
        } catch (Error e) {
            // Not the text's fault: whoever waits for it fails, and with it the job.
            row.completeExceptionally(e);
            return;
        }
        stats.rows.increment();
        if (prediction.truncated()) {
            stats.truncated.increment();
        }
        stats.outputTokens.add(prediction.outputTokens());
        row.complete(new Answer(prediction, served));
    }

    @Override
    public void terminate() {
        model.terminate();
    }

    @Override
    public void abort(QueuedText row, Throwable failure) {
        stats.failures.increment();
        row.completeExceptionally(failure);
    }

    @Override
    public void fail(QueuedText row, Throwable failure) {
        stats.failures.increment();
        row.completeExceptionally(judge(row, failure));
    }

    /** Tells a bad text from a broken engine. */
    private Throwable judge(QueuedText row, Throwable failure) {
        Throwable broken = failureOfProbe();
        if (broken != null) {
            broken.addSuppressed(failure);
            return new IllegalStateException(
                    "the engine answers no text any more, not even a golden one: "
                            + broken.getMessage(),
                    broken);
        }
        if (isOutOfMemory(failure)) {
            stats.outOfMemory.increment();
        }
        return new InferenceException(
                failure instanceof TimeoutException
                        ? InferenceException.Stage.TIMEOUT
                        : InferenceException.Stage.INFERENCE,
                "the model failed on this text of "
                        + row.input().text().length()
                        + " tokens alone: "
                        + failure.getMessage(),
                failure);
    }

    /** Why a known good text fails as well; null where it does not, so that the engine is fine. */
    private Throwable failureOfProbe() {
        try {
            decoder.decode(model.run(List.of(probe), generation), 0, probe);
            return null;
        } catch (Throwable e) {
            return e;
        }
    }

    @Override
    public boolean isTransient(Throwable failure) {
        return isOutOfMemory(failure) || failureOfProbe() != null;
    }

    @Override
    public void onRetry(Throwable failure) {
        stats.retries.increment();
        if (isOutOfMemory(failure)) {
            stats.outOfMemory.increment();
        }
    }

    @Override
    public boolean isOutOfMemory(Throwable failure) {
        return failure instanceof ModelException model && model.outOfMemory();
    }

    @Override
    public void onSplit(Throwable failure) {
        stats.splits.increment();
        if (isOutOfMemory(failure)) {
            stats.outOfMemory.increment();
        }
    }

    /** The inputs of the rows, without a copy. */
    private static final class Inputs extends AbstractList<ModelInput> {
        private final List<QueuedText> rows;

        Inputs(List<QueuedText> rows) {
            this.rows = rows;
        }

        @Override
        public ModelInput get(int index) {
            return rows.get(index).input();
        }

        @Override
        public int size() {
            return rows.size();
        }
    }
}
