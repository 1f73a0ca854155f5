package io.streamformer.local;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A folder that goes away with its owner. */
public record TemporaryFolder(Path path) implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(TemporaryFolder.class);
    private static final int ATTEMPTS = 10;

    public static TemporaryFolder create(String purpose) throws IOException {
        return new TemporaryFolder(Files.createTempDirectory("streamformer-" + purpose + "-"));
    }

    /** Removes the folder; whoever still tidies up in it is waited for a few times. */
    @Override
    public void close() {
        for (int attempt = 1; Files.exists(path); attempt++) {
            try (Stream<Path> files = Files.walk(path)) {
                for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                    Files.deleteIfExists(file);
                }
            } catch (IOException | UncheckedIOException e) {
                if (attempt == ATTEMPTS) {
                    LOG.warn("{} could not be removed", path, e);
                    return;
                }
            }
        }
    }
}
