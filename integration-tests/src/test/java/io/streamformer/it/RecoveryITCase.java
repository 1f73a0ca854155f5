package io.streamformer.it;

import static org.assertj.core.api.Assertions.assertThat;

import io.streamformer.job.JobOptions;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** A TaskManager dies in the middle: nothing is lost and nothing is doubled. */
@ExtendWith(LocalStack.Extension.class)
class RecoveryITCase {

    private static final int EVENTS = 5_000;

    /** No more than the restarts that the cluster grants. */
    private static final int MOST_KILLS = 3;

    /** Long enough to find an open transaction and to kill before it is committed. */
    private static final Duration CHECKPOINT_INTERVAL = Duration.ofSeconds(3);

    private final LocalStack stack;

    RecoveryITCase(LocalStack stack) {
        this.stack = stack;
    }

    @Test
    void neitherLosesNorDoublesWhenATaskManagerDies() throws Exception {
        try (TestJob job =
                TestJob.start(
                        stack,
                        List.of(TestBundles.TINY_SENTIMENT, TestBundles.TINY_TRANSLATION),
                        options ->
                                options.set(JobOptions.CHECKPOINT_INTERVAL, CHECKPOINT_INTERVAL))) {
            int sent = 0;
            // A kill between two transactions aborts nothing and proves nothing: then another.
            for (int kill = 1; kill <= MOST_KILLS && uncommitted(job) == 0; kill++) {
                int before = sent;
                sent = send(job, sent, EVENTS);
                // Some are committed, some are written and not committed, some are under way.
                job.await(2 * before + 500);
                while (uncommitted(job) == 0) {
                    assertThat(job.job().hasEnded()).isFalse();
                    sent = send(job, sent, EVENTS / 10);
                }
                stack.replaceTaskManager();
                sent = send(job, sent, EVENTS / 10);
                job.await(2 * sent);
            }

            assertThat(stack.attempts(job.job())).as("the job was restarted").isGreaterThan(0);
            List<TestJob.Outcome> committed = job.readAll("read_committed");
            assertThat(committed).hasSize(2 * sent);
            assertThat(committed).extracting(TestJob::identity).doesNotHaveDuplicates();
            assertThat(uncommitted(job))
                    .as("results that were written and aborted")
                    .isGreaterThan(0);
        }
    }

    /** Results in transactions that are open; once all events are answered, in aborted ones. */
    private static int uncommitted(TestJob job) throws Exception {
        return job.readAll("read_uncommitted").size() - job.readAll("read_committed").size();
    }

    /** Sends so many further events; says how many there are then. */
    private static int send(TestJob job, int from, int count) throws Exception {
        List<Future<?>> sent =
                IntStream.range(from, from + count)
                        .<Future<?>>mapToObj(
                                i -> job.sendLater("event-" + i, "Message number " + i + "."))
                        .toList();
        for (Future<?> one : sent) {
            one.get();
        }
        return from + count;
    }
}
