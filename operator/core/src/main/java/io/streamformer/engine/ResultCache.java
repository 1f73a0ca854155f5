package io.streamformer.engine;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import io.streamformer.batch.Priority;
import io.streamformer.task.HeapBytes;

/**
 * Answers by text, bounded by bytes. It belongs to one session, so that bundle and options are the
 * same for all of its answers; whatever else decides an answer is in its {@link TextInput}.
 */
final class ResultCache {

    private final Cache<TextInput, Answer> answers;

    ResultCache(long maxBytes) {
        answers =
                Caffeine.newBuilder()
                        .maximumWeight(maxBytes)
                        .weigher(
                                (TextInput input, Answer answer) ->
                                        bytes(input) + answer.prediction().heapBytes())
                        .build();
    }

    /** The answer to a text; null where it is not known. */
    Answer find(TextInput input) {
        return answers.getIfPresent(input.with(Priority.NORMAL));
    }

    void put(TextInput input, Answer answer) {
        answers.put(input.with(Priority.NORMAL), answer);
    }

    private static int bytes(TextInput input) {
        return 4 * HeapBytes.OBJECT + HeapBytes.of(input.text()) + HeapBytes.of(input.textPair());
    }
}
