package io.streamformer.bundle;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FileHashesTest {

    private static final FileTime LONG_AGO = FileTime.from(Instant.parse("2020-01-01T00:00:00Z"));

    @TempDir Path temp;

    @Test
    void aFileThatStaysAsItIsIsReadOnce() throws IOException {
        Path file = write("weights", LONG_AGO);
        String hash = FileHashes.sha256(file);
        // What no editor does: other bytes of the same size at the same time.
        write("WEIGHTS", LONG_AGO);
        assertThat(FileHashes.sha256(file)).isEqualTo(hash);
    }

    @Test
    void aFileThatChangesIsReadAgain() throws IOException {
        Path file = write("weights", LONG_AGO);
        String hash = FileHashes.sha256(file);
        write("WEIGHTS", FileTime.from(LONG_AGO.toInstant().plusSeconds(1)));
        assertThat(FileHashes.sha256(file)).isNotEqualTo(hash);
        write("weights!", LONG_AGO);
        assertThat(FileHashes.sha256(file)).isNotEqualTo(hash);
        write("weights", LONG_AGO);
        assertThat(FileHashes.sha256(file)).isEqualTo(hash);
    }

    @Test
    void aFileThatWasJustWrittenIsReadAgain() throws IOException {
        FileTime now = FileTime.from(Instant.now());
        Path file = write("weights", now);
        String hash = FileHashes.sha256(file);
        write("WEIGHTS", now);
        assertThat(FileHashes.sha256(file)).isNotEqualTo(hash);
    }

    private Path write(String text, FileTime modified) throws IOException {
        Path file = temp.resolve("file");
        Files.writeString(file, text);
        return Files.setLastModifiedTime(file, modified);
    }
}
