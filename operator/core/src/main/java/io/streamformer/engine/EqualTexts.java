package io.streamformer.engine;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;

/**
 * Equal texts that are under way at the same time: one run answers all of them. Each sender has a
 * future of its own; the run is given up when the last of them is.
 */
final class EqualTexts {

    /** A text as it is run: priority and timeout of its senders are the same too. */
    private record Key(TextInput input, Duration timeout) {}

    /** The run of a text, and how many senders still wait for it. */
    private static final class Shared {
        private final CompletableFuture<Answer> answer;
        private int senders;

        private Shared(CompletableFuture<Answer> answer) {
            this.answer = answer;
        }
    }

    private final ConcurrentHashMap<Key, Shared> underWay = new ConcurrentHashMap<>();

    /**
     * The answer to a text, out of a run that is under way or a new one.
     *
     * @param start queues the text; called only if no equal one is under way
     */
    CompletableFuture<Answer> join(
            TextInput input, Duration timeout, Supplier<CompletableFuture<Answer>> start) {
        Key key = new Key(input, timeout);
        Shared shared =
                underWay.compute(
                        key,
                        (unused, known) -> {
                            Shared next = known == null ? new Shared(start.get()) : known;
                            next.senders++;
                            return next;
                        });
        CompletableFuture<Answer> own = new CompletableFuture<>();
        var unusedEnd = own.whenComplete((prediction, failure) -> leave(key, shared));
        var unusedAnswer =
                shared.answer.whenComplete(
                        (prediction, failure) -> {
                            underWay.remove(key, shared);
                            if (failure == null) {
                                own.complete(prediction);
                            } else {
                                own.completeExceptionally(
                                        failure instanceof CompletionException
                                                ? failure.getCause()
                                                : failure);
                            }
                        });
        return own;
    }

    private void leave(Key key, Shared shared) {
        boolean[] last = {false};
        underWay.computeIfPresent(
                key,
                (unused, known) -> {
                    if (known != shared) {
                        return known;
                    }
                    last[0] = --shared.senders == 0;
                    return last[0] ? null : known;
                });
        if (last[0]) {
            shared.answer.cancel(false);
        }
    }
}
