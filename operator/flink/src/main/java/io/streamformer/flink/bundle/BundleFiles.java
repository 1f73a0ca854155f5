package io.streamformer.flink.bundle;

import io.streamformer.bundle.Bundle;
import io.streamformer.bundle.BundleException;
import io.streamformer.bundle.BundleReference;
import io.streamformer.bundle.Manifest;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import org.apache.flink.annotation.Internal;
import org.apache.flink.core.fs.FileSystem;
import org.apache.flink.core.fs.UnsupportedFileSystemSchemeException;

/** The files of a bundle in any file system that Flink knows. */
@Internal
public final class BundleFiles {

    static final String MANIFEST = "manifest.json";

    private final String uri;
    private final Path local;

    private BundleFiles(String uri, Path local) {
        this.uri = uri;
        this.local = local;
    }

    /**
     * The files of a folder.
     *
     * @param folder a path, or a URI of any file system of Flink
     * @throws BundleException if Flink has no such file system
     */
    public static BundleFiles of(String folder) {
        org.apache.flink.core.fs.Path path = new org.apache.flink.core.fs.Path(folder);
        try {
            if (path.toUri().getScheme() == null || !path.getFileSystem().isDistributedFS()) {
                Path local = Path.of(path.getPath()).toAbsolutePath().normalize();
                return new BundleFiles(local.toString(), local);
            }
            return new BundleFiles(folder, null);
        } catch (IOException e) {
            throw unreadable(folder, e);
        }
    }

    /** The folder on the local disk; null for one that is elsewhere. */
    Path local() {
        return local;
    }

    /**
     * The bundle as it is now.
     *
     * @throws BundleException if there is none, or its manifest breaks a rule
     * @throws UncheckedIOException if it cannot be read now, which may pass
     */
    public Described describe() {
        byte[] manifest = manifest();
        return new Described(
                new BundleReference(uri, Bundle.hashOf(manifest)), Bundle.parse(manifest));
    }

    /** A bundle of which only the manifest was read. */
    public record Described(BundleReference reference, Manifest manifest) {}

    byte[] manifest() {
        try (InputStream in = open(MANIFEST)) {
            return in.readAllBytes();
        } catch (IOException e) {
            throw unreadable(uri + "/" + MANIFEST, e);
        }
    }

    InputStream open(String name) throws IOException {
        if (local != null) {
            return Files.newInputStream(local.resolve(name));
        }
        org.apache.flink.core.fs.Path path = new org.apache.flink.core.fs.Path(uri, name);
        return FileSystem.get(path.toUri()).open(path);
    }

    /** A missing file stays missing; any other failure may pass. */
    private static RuntimeException unreadable(String path, IOException cause) {
        if (cause instanceof FileNotFoundException
                || cause instanceof NoSuchFileException
                || cause instanceof UnsupportedFileSystemSchemeException) {
            return new BundleException(
                    "a bundle's files can be read",
                    path + ": " + cause,
                    "check the path, and for s3 or hdfs that the file system's plugin is in Flink's"
                            + " plugins folder",
                    cause);
        }
        return new UncheckedIOException(
                "Cannot read "
                        + path
                        + ": "
                        + cause.getMessage()
                        + ". If this does not pass, check the file system and its credentials.",
                cause);
    }
}
