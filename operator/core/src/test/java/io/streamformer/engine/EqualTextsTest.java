package io.streamformer.engine;

import static org.assertj.core.api.Assertions.assertThat;

import io.streamformer.batch.Priority;
import io.streamformer.task.Prediction;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;

class EqualTextsTest {

    private static final Prediction ANSWER = new Prediction.Embedding(new float[0], 0, false);

    private final EqualTexts texts = new EqualTexts();
    private final List<CompletableFuture<Prediction>> runs = new ArrayList<>();

    @Test
    void equalTextsShareARun() {
        CompletableFuture<Prediction> first = join("a", Priority.NORMAL);
        CompletableFuture<Prediction> second = join("a", Priority.NORMAL);
        CompletableFuture<Prediction> other = join("b", Priority.NORMAL);
        assertThat(join("a", Priority.HIGH)).isNotDone();
        assertThat(runs).as("two texts, one of them urgent too").hasSize(3);

        runs.get(0).complete(ANSWER);
        assertThat(first).isCompletedWithValue(ANSWER);
        assertThat(second).isCompletedWithValue(ANSWER);
        assertThat(other).isNotDone();
        assertThat(join("a", Priority.NORMAL)).isNotDone();
        assertThat(runs).as("what is answered is no longer under way").hasSize(4);
    }

    @Test
    void oneSenderThatGivesUpDoesNotCancelTheOther() {
        CompletableFuture<Prediction> first = join("a", Priority.NORMAL);
        CompletableFuture<Prediction> second = join("a", Priority.NORMAL);
        first.cancel(false);
        assertThat(runs.get(0)).isNotDone();
        assertThat(second).isNotDone();
        CompletableFuture<Prediction> third = join("a", Priority.NORMAL);
        assertThat(runs).hasSize(1);

        second.cancel(false);
        third.cancel(false);
        assertThat(runs.get(0)).as("nobody waits any more").isCancelled();
        assertThat(join("a", Priority.NORMAL)).isNotDone();
        assertThat(runs).hasSize(2);
    }

    @Test
    void aFailureIsThatOfAllSenders() {
        CompletableFuture<Prediction> first = join("a", Priority.NORMAL);
        CompletableFuture<Prediction> second = join("a", Priority.NORMAL);
        IllegalStateException failure = new IllegalStateException("device lost");
        runs.get(0).completeExceptionally(failure);
        for (CompletableFuture<Prediction> sender : List.of(first, second)) {
            assertThat(sender.handle((prediction, cause) -> cause).join()).isSameAs(failure);
        }
    }

    @Test
    void aTextThatFailsAtOnceIsNotUnderWay() {
        IllegalStateException failure = new IllegalStateException("refused");
        CompletableFuture<Prediction> answer =
                texts.join(
                        TextInput.of("a"),
                        Duration.ofMinutes(1),
                        () -> CompletableFuture.failedFuture(failure));
        assertThat(answer).isCompletedExceptionally();
        assertThat(join("a", Priority.NORMAL)).isNotDone();
        assertThat(runs).hasSize(1);
    }

    private CompletableFuture<Prediction> join(String text, Priority priority) {
        return texts.join(
                TextInput.of(text).with(priority),
                Duration.ofMinutes(1),
                () -> {
                    runs.add(new CompletableFuture<>());
                    return runs.get(runs.size() - 1);
                });
    }
}
