package io.streamformer.local.demo;

import static io.streamformer.bundle.Task.TEXT_CLASSIFICATION;
import static io.streamformer.bundle.Task.TRANSLATION;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.EnumSet;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(30)
class EventBookTest {

    private final EventBook book =
            new EventBook(EnumSet.of(TEXT_CLASSIFICATION, TRANSLATION), 3, 100);

    @Test
    void completesAnEventWithItsLastOutcome() throws InterruptedException {
        book.sending(1, new byte[4], 1000);
        assertThat(book.answered("1", Replies.sentiment("positive", 1), 1500)).isEmpty();
        assertThat(book.open()).isEqualTo(1);
        List<AnsweredEvent> complete = book.answered("1", Replies.translation("oui", false), 1800);
        assertThat(complete).hasSize(1);
        assertThat(complete.get(0).millis()).isEqualTo(800);
        assertThat(complete.get(0).replies()).containsOnlyKeys(TEXT_CLASSIFICATION, TRANSLATION);
        assertThat(book.open()).isZero();
    }

    @Test
    void oneDeadLetterWithoutATaskStandsForAll() throws InterruptedException {
        book.sending(1, new byte[4], 0);
        List<AnsweredEvent> complete =
                book.answered("1", Replies.dead(null, "deserialize", "no UTF-8"), 1);
        assertThat(complete).hasSize(1);
        assertThat(complete.get(0).deadLetters()).hasSize(1);
    }

    @Test
    void givesEventsBackInTheOrderTheyWereSent() throws InterruptedException {
        for (int number = 1; number <= 3; number++) {
            book.sending(number, new byte[1], 0);
        }
        assertThat(answerBoth("3")).isEmpty();
        assertThat(answerBoth("1")).extracting(AnsweredEvent::number).containsExactly(1L);
        assertThat(answerBoth("2")).extracting(AnsweredEvent::number).containsExactly(2L, 3L);
    }

    @Test
    void countsDoubledAndForeignOutcomes() throws InterruptedException {
        book.sending(1, new byte[1], 0);
        book.answered("1", Replies.sentiment("positive", 1), 1);
        book.answered("1", Replies.sentiment("positive", 1), 1);
        book.answered("1", Replies.dead(null, "deserialize", "late"), 1);
        book.answered("7", Replies.sentiment("positive", 1), 1);
        assertThat(book.unexpected()).isEqualTo(3);
        assertThat(book.open()).isEqualTo(1);
    }

    @Test
    void whoeverSendsTooMuchWaits() throws InterruptedException {
        EventBook one = new EventBook(EnumSet.of(TEXT_CLASSIFICATION), 10, 8);
        one.sending(1, new byte[20], 0);
        CountDownLatch sent = new CountDownLatch(1);
        Thread sender =
                new Thread(
                        () -> {
                            try {
                                one.sending(2, new byte[20], 0);
                                sent.countDown();
                            } catch (InterruptedException e) {
                                Thread.currentThread().interrupt();
                            }
                        });
        sender.start();
        while (sender.getState() != Thread.State.WAITING) {
            Thread.onSpinWait();
        }
        assertThat(one.answered("1", Replies.sentiment("positive", 1), 1)).hasSize(1);
        assertThat(sent.await(10, TimeUnit.SECONDS)).isTrue();
        sender.join();
    }

    private List<AnsweredEvent> answerBoth(String id) {
        book.answered(id, Replies.sentiment("positive", 1), 1);
        return book.answered(id, Replies.translation("oui", false), 1);
    }
}
