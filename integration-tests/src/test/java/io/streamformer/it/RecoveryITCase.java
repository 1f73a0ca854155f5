package io.streamformer.it;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.apache.flink.runtime.executiongraph.AccessExecutionVertex;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** A TaskManager dies in the middle: nothing is lost and nothing is doubled. */
@ExtendWith(LocalStack.Extension.class)
class RecoveryITCase {

    private static final int EVENTS = 6_000;

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
                        options -> {})) {
            List<Future<?>> sent =
                    IntStream.range(0, EVENTS)
                            .<Future<?>>mapToObj(
                                    i -> job.sendLater("event-" + i, "Message number " + i + "."))
                            .toList();
            for (Future<?> one : sent) {
                one.get();
            }
            // Some are committed, some are written and not committed, most are under way.
            job.await(500);
            awaitUncommitted(job);
            stack.cluster().miniCluster().terminateTaskManager(0).get();
            stack.cluster().miniCluster().startTaskManager();

            job.await(2 * EVENTS);

            assertThat(attempts(job)).as("the job was restarted").isGreaterThan(0);
            List<TestJob.Outcome> committed = job.readAll("read_committed");
            assertThat(committed).hasSize(2 * EVENTS);
            assertThat(committed).extracting(TestJob::identity).doesNotHaveDuplicates();
            assertThat(job.readAll("read_uncommitted").size() - committed.size())
                    .as("results that were written and aborted")
                    .isGreaterThan(0);
        }
    }

    /** Waits for a moment at which results lie in a transaction that is still open. */
    private static void awaitUncommitted(TestJob job) throws Exception {
        while (job.readAll("read_uncommitted").size() <= job.readAll("read_committed").size()) {
            assertThat(job.job().hasEnded()).isFalse();
        }
    }

    private int attempts(TestJob job) throws Exception {
        int attempts = 0;
        for (AccessExecutionVertex task :
                stack.cluster()
                        .miniCluster()
                        .getExecutionGraph(job.job().id())
                        .get()
                        .getAllExecutionVertices()) {
            attempts = Math.max(attempts, task.getCurrentExecutionAttempt().getAttemptNumber());
        }
        return attempts;
    }
}
