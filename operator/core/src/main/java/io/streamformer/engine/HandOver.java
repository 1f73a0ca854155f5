package io.streamformer.engine;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Executor;
import java.util.function.Supplier;

/** A text that another thread tokenizes and queues; the future that its sender holds meanwhile. */
final class HandOver extends CompletableFuture<Answer> {

    /**
     * Hands a text over.
     *
     * @param queue tokenizes and queues it; not called for one that is given up before its turn
     */
    HandOver(Executor threads, Supplier<CompletableFuture<Answer>> queue) {
        threads.execute(
                () -> {
                    if (!isDone()) {
                        follow(queue);
                    }
                });
    }

    private void follow(Supplier<CompletableFuture<Answer>> queue) {
        CompletableFuture<Answer> queued;
        try {
            queued = queue.get();
        } catch (Throwable e) {
            // An Error too: nobody else would tell the sender.
            completeExceptionally(e);
            return;
        }
        var unusedAnswer =
                queued.whenComplete(
                        (prediction, failure) -> {
                            if (failure == null) {
                                complete(prediction);
                            } else {
                                completeExceptionally(
                                        failure instanceof CompletionException
                                                ? failure.getCause()
                                                : failure);
                            }
                        });
        // A sender that gives up takes its row out of the queue.
        var unusedEnd = whenComplete((prediction, failure) -> queued.cancel(false));
    }
}
