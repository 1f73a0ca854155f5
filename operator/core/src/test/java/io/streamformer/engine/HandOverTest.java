package io.streamformer.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayDeque;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;

class HandOverTest {

    private static final Answer ANSWER = new Answer(null, null);

    private final Queue<Runnable> threads = new ArrayDeque<>();
    private final CompletableFuture<Answer> queued = new CompletableFuture<>();

    @Test
    void answersWhatWasQueuedByAnotherThread() {
        HandOver text = new HandOver(threads::add, () -> queued);
        assertThat(threads).as("nothing is tokenized on the sender's thread").hasSize(1);
        threads.remove().run();
        assertThat(text).isNotDone();
        queued.complete(ANSWER);
        assertThat(text).isCompletedWithValue(ANSWER);
    }

    @Test
    void aSenderThatGivesUpTakesItsRowOut() {
        HandOver text = new HandOver(threads::add, () -> queued);
        threads.remove().run();
        text.cancel(false);
        assertThat(queued).isCancelled();
    }

    @Test
    void aTextThatIsGivenUpBeforeItsTurnIsNotTokenized() {
        HandOver text =
                new HandOver(
                        threads::add,
                        () -> {
                            throw new AssertionError("it was tokenized");
                        });
        text.cancel(false);
        threads.remove().run();
        assertThat(text).isCancelled();
    }

    @Test
    void whateverFailsIsTheSenders() {
        Error error = new NoClassDefFoundError("x");
        HandOver text =
                new HandOver(
                        threads::add,
                        () -> {
                            throw error;
                        });
        threads.remove().run();
        assertThat(text.handle((prediction, failure) -> failure).join()).isSameAs(error);

        IllegalStateException failure = new IllegalStateException("device lost");
        HandOver other = new HandOver(threads::add, () -> queued);
        threads.remove().run();
        queued.completeExceptionally(failure);
        assertThat(other.handle((prediction, cause) -> cause).join()).isSameAs(failure);
    }
}
