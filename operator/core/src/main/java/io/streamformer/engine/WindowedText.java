package io.streamformer.engine;

import io.streamformer.task.Prediction;
import io.streamformer.task.PredictionDecoder;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;

/**
 * A text that is read in several windows; the future that its sender holds. It completes with the
 * last window, or with the first that fails; then its other windows leave the queue.
 */
final class WindowedText extends CompletableFuture<Answer> {

    WindowedText(List<QueuedText> windows, PredictionDecoder decoder) {
        for (QueuedText window : windows) {
            var unused = window.whenComplete((prediction, failure) -> failWith(failure));
        }
        var unusedAnswer =
                CompletableFuture.allOf(windows.toArray(new CompletableFuture<?>[0]))
                        .thenRun(() -> answer(windows, decoder));
        var unusedEnd =
                whenComplete((prediction, failure) -> windows.forEach(w -> w.cancel(false)));
    }

    private void failWith(Throwable failure) {
        if (failure != null) {
            completeExceptionally(
                    failure instanceof CompletionException ? failure.getCause() : failure);
        }
    }

    private void answer(List<QueuedText> windows, PredictionDecoder decoder) {
        try {
            List<Answer> answers = windows.stream().map(CompletableFuture::join).toList();
            Prediction merged = decoder.merge(answers.stream().map(Answer::prediction).toList());
            complete(new Answer(merged, answers.get(0).by()));
        } catch (RuntimeException e) {
            completeExceptionally(
                    new InferenceException(
                            InferenceException.Stage.DECODE,
                            "the answers to the windows of the text could not be merged: "
                                    + e.getMessage(),
                            e));
        } catch (Error e) {
            // Not the text's fault: whoever waits for it fails, and with it the job.
            completeExceptionally(e);
        }
    }
}
