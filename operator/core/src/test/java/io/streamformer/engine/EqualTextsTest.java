package io.streamformer.engine;

import static org.assertj.core.api.Assertions.assertThat;

import io.streamformer.batch.Priority;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;

class EqualTextsTest {

    private static final Answer ANSWER = new Answer(null, null);

    private final EqualTexts texts = new EqualTexts();
    private final List<CompletableFuture<Answer>> runs = new ArrayList<>();

    @Test
    void equalTextsShareARun() {
        CompletableFuture<Answer> first = join("a", Priority.NORMAL);
        CompletableFuture<Answer> second = join("a", Priority.NORMAL);
        CompletableFuture<Answer> other = join("b", Priority.NORMAL);
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
        CompletableFuture<Answer> first = join("a", Priority.NORMAL);
        CompletableFuture<Answer> second = join("a", Priority.NORMAL);
        first.cancel(false);
        assertThat(runs.get(0)).isNotDone();
        assertThat(second).isNotDone();
        CompletableFuture<Answer> third = join("a", Priority.NORMAL);
        assertThat(runs).hasSize(1);

        second.cancel(false);
        third.cancel(false);
        assertThat(runs.get(0)).as("nobody waits any more").isCancelled();
        assertThat(join("a", Priority.NORMAL)).isNotDone();
        assertThat(runs).hasSize(2);
    }

    @Test
    void aFailureIsThatOfAllSenders() {
        CompletableFuture<Answer> first = join("a", Priority.NORMAL);
        CompletableFuture<Answer> second = join("a", Priority.NORMAL);
        IllegalStateException failure = new IllegalStateException("device lost");
        runs.get(0).completeExceptionally(failure);
        for (CompletableFuture<Answer> sender : List.of(first, second)) {
            assertThat(sender.handle((prediction, cause) -> cause).join()).isSameAs(failure);
        }
    }

    @Test
    void aTextThatFailsAtOnceIsNotUnderWay() {
        IllegalStateException failure = new IllegalStateException("refused");
        CompletableFuture<Answer> answer =
                texts.join(
                        TextInput.of("a"),
                        Duration.ofMinutes(1),
                        () -> CompletableFuture.failedFuture(failure));
        assertThat(answer).isCompletedExceptionally();
        assertThat(join("a", Priority.NORMAL)).isNotDone();
        assertThat(runs).hasSize(1);
    }

    private CompletableFuture<Answer> join(String text, Priority priority) {
        return texts.join(
                TextInput.of(text).with(priority),
                Duration.ofMinutes(1),
                () -> {
                    runs.add(new CompletableFuture<>());
                    return runs.get(runs.size() - 1);
                });
    }
}
