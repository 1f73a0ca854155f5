package io.streamformer.it;

import static org.assertj.core.api.Assertions.assertThat;

import io.streamformer.job.JobOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** A job that was cancelled goes on from the checkpoint that it left. */
@ExtendWith(LocalStack.Extension.class)
class CancelITCase {

    private static final int EVENTS = 3_000;

    @TempDir private Path checkpoints;

    private final LocalStack stack;

    CancelITCase(LocalStack stack) {
        this.stack = stack;
    }

    @Test
    void losesNothingByItsDefaults() throws Exception {
        try (TestJob job =
                TestJob.start(
                        stack,
                        List.of(TestBundles.TINY_TRANSLATION),
                        options ->
                                options.set(
                                        JobOptions.CHECKPOINT_DIRECTORY,
                                        checkpoints.toUri().toString()))) {
            List<Future<?>> sent = new ArrayList<>();
            for (int i = 0; i < EVENTS; i++) {
                sent.add(job.sendLater("event-" + i, "Message number " + i + "."));
            }
            for (Future<?> one : sent) {
                one.get();
            }
            job.await(1);
            job.job().close();

            try (TestJob restored = job.restore(stack, lastCheckpoint())) {
                restored.await(EVENTS);
                List<TestJob.Outcome> committed = restored.readAll("read_committed");
                assertThat(committed).hasSize(EVENTS);
                assertThat(committed).extracting(TestJob::identity).doesNotHaveDuplicates();
            }
        }
    }

    private Path lastCheckpoint() throws IOException {
        try (Stream<Path> files = Files.walk(checkpoints)) {
            return files.filter(file -> file.endsWith("_metadata"))
                    .max(Comparator.comparingLong(file -> file.toFile().lastModified()))
                    .orElseThrow()
                    .getParent();
        }
    }
}
