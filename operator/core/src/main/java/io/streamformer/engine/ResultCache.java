package io.streamformer.engine;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import io.streamformer.batch.Priority;
import io.streamformer.task.Prediction;

/**
 * Answers by text, bounded by bytes. It belongs to one session, so that bundle and options are the
 * same for all of its answers; whatever else decides an answer is in its {@link TextInput}.
 */
final class ResultCache {

    /** What an entry, an object or an element of a list takes besides its characters, about. */
    private static final int OBJECT_BYTES = 64;

    private final Cache<TextInput, Prediction> answers;

    ResultCache(long maxBytes) {
        answers =
                Caffeine.newBuilder()
                        .maximumWeight(maxBytes)
                        .weigher(
                                (TextInput input, Prediction answer) ->
                                        bytes(input) + bytes(answer))
                        .build();
    }

    /** The answer to a text; null where it is not known. */
    Prediction find(TextInput input) {
        return answers.getIfPresent(input.with(Priority.NORMAL));
    }

    void put(TextInput input, Prediction answer) {
        answers.put(input.with(Priority.NORMAL), answer);
    }

    private static int bytes(TextInput input) {
        return 4 * OBJECT_BYTES + bytes(input.text()) + bytes(input.textPair());
    }

    private static int bytes(Prediction answer) {
        if (answer instanceof Prediction.Classification found) {
            return OBJECT_BYTES * (1 + 2 * found.scores().size());
        }
        if (answer instanceof Prediction.Entities found) {
            return found.entities().stream()
                    .mapToInt(entity -> OBJECT_BYTES + bytes(entity.text()))
                    .reduce(OBJECT_BYTES, Integer::sum);
        }
        if (answer instanceof Prediction.Answer found) {
            return OBJECT_BYTES + bytes(found.text());
        }
        if (answer instanceof Prediction.Embedding found) {
            return OBJECT_BYTES + found.vector().length * Float.BYTES;
        }
        if (answer instanceof Prediction.Generation found) {
            return found.alternatives().stream()
                            .mapToInt(other -> OBJECT_BYTES + bytes(other.text()))
                            .sum()
                    + OBJECT_BYTES * (1 + found.tokenScores().size() + found.alignments().size())
                    + bytes(found.text());
        }
        throw new IllegalStateException(answer.getClass() + " has no size: this is a bug");
    }

    private static int bytes(String text) {
        return text == null ? 0 : OBJECT_BYTES + text.length() * Character.BYTES;
    }
}
