package io.streamformer.local.demo;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.streamformer.bundle.Task;
import io.streamformer.local.AccessException;
import io.streamformer.local.UserFiles;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ResultWriterTest {

    private static final Path FULL = Path.of("/dev/full");

    private final AnsweredEvent event =
            new AnsweredEvent(
                    1,
                    "été".getBytes(UTF_8),
                    Map.of(Task.TEXT_CLASSIFICATION, Replies.sentiment("positive", 0.5f)),
                    1);

    @TempDir private Path folder;

    @Test
    void writesALineForEachEvent() throws Exception {
        Path file = folder.resolve("é漢.jsonl");
        try (ResultWriter writer = ResultWriter.open(file, false)) {
            writer.write(event);
        }
        assertThat(Files.readAllLines(file)).hasSize(1);
    }

    @Test
    void aFullDiskEndsItAtTheLatestWithTheFile() throws Exception {
        ResultWriter writer = ResultWriter.open(FULL, false);
        writer.write(event);
        assertThatThrownBy(writer::close)
                .isInstanceOf(AccessException.class)
                .hasMessageStartingWith(
                        "Cannot write to --output /dev/full: No space left on device.");
    }

    @Test
    void theStandardOutputEndsItAtOnce() {
        PrintStream real = System.out;
        System.setOut(new PrintStream(UserFiles.write("the screen", FULL), true, UTF_8));
        try {
            ResultWriter writer = ResultWriter.open(Path.of("-"), false);
            assertThatThrownBy(() -> writer.write(event)).isInstanceOf(AccessException.class);
        } finally {
            System.setOut(real);
        }
    }
}
