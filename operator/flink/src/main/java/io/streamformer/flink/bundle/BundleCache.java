package io.streamformer.flink.bundle;

import io.streamformer.bundle.Bundle;
import io.streamformer.bundle.BundleException;
import io.streamformer.bundle.Manifest;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.apache.flink.core.fs.FileSystem;
import org.apache.flink.util.FileUtils;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Bundles on the local disk: those of the local file system where they lie, those of s3, hdfs and
 * other file systems of Flink as verified copies, in one folder per manifest hash.
 */
public final class BundleCache {

    static final String MANIFEST = "manifest.json";

    private static final Logger LOG = LoggerFactory.getLogger(BundleCache.class);

    /** Start of the names of folders into which bundles are downloaded. */
    private static final String PARTIAL = "partial-";

    private static final Duration LONGEST_DOWNLOAD = Duration.ofHours(12);

    /** Subtasks that open together download a bundle once. */
    private static final Object DOWNLOAD = new Object();

    private final Path directory;

    BundleCache(Path directory) {
        this.directory = directory;
    }

    /** The cache in a folder; for null one in the temporary folder of this machine. */
    public static BundleCache in(String directory) {
        return new BundleCache(
                directory == null
                        ? Path.of(System.getProperty("java.io.tmpdir"), "streamformer-bundles")
                        : Path.of(directory));
    }

    /** The manifest of a bundle, wherever it lies; nothing else of it is read. */
    public static Manifest manifest(String bundle) {
        return Bundle.parse(read(bundle, MANIFEST));
    }

    /** The path in a form that means the same whatever the working directory is. */
    public static String absolute(String bundle) {
        Path local = local(bundle);
        return local == null ? bundle : local.toString();
    }

    /** The folder of the bundle on the local disk. */
    public Path fetch(String bundle) {
        Path local = local(bundle);
        if (local != null) {
            return local;
        }
        synchronized (DOWNLOAD) {
            try {
                return cached(bundle);
            } catch (IOException e) {
                throw new UncheckedIOException("cannot keep " + bundle + " in " + directory, e);
            }
        }
    }

    private Path cached(String bundle) throws IOException {
        byte[] manifest = read(bundle, MANIFEST);
        Files.createDirectories(directory);
        deleteAbandoned();
        Path partial = Files.createTempDirectory(directory, PARTIAL);
        try {
            Files.write(partial.resolve(MANIFEST), manifest);
            Path folder = directory.resolve(Bundle.hashOf(partial));
            if (isIntact(folder)) {
                return folder;
            }
            for (String name : files(Bundle.parse(manifest), partial)) {
                Path file = partial.resolve(name);
                Files.createDirectories(file.getParent());
                try (InputStream in = open(bundle, name)) {
                    Files.copy(in, file);
                }
            }
            Bundle.read(partial);
            FileUtils.deleteDirectory(folder.toFile());
            moveTo(folder, partial);
            return folder;
        } finally {
            FileUtils.deleteDirectoryQuietly(partial.toFile());
        }
    }

    /** Deletes what is left of downloads whose process ended before them. */
    private void deleteAbandoned() throws IOException {
        FileTime oldest = FileTime.from(Instant.now().minus(LONGEST_DOWNLOAD));
        try (Stream<Path> folders = Files.list(directory)) {
            for (Path folder : (Iterable<Path>) folders::iterator) {
                if (folder.getFileName().toString().startsWith(PARTIAL)
                        && Files.getLastModifiedTime(folder).compareTo(oldest) < 0) {
                    FileUtils.deleteDirectoryQuietly(folder.toFile());
                }
            }
        } catch (NoSuchFileException e) {
            LOG.debug("Another process deleted {}", e.getFile());
        }
    }

    private static void moveTo(Path folder, Path partial) throws IOException {
        try {
            Files.move(partial, folder, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            // Another process on this machine was first: its copy has the same hash.
            if (!isIntact(folder)) {
                throw e;
            }
        }
    }

    private static boolean isIntact(Path folder) {
        if (!Files.isDirectory(folder)) {
            return false;
        }
        try {
            Bundle.read(folder);
            return true;
        } catch (BundleException e) {
            // A cleaner of temporary files took some: download the bundle again.
            return false;
        }
    }

    private static Set<String> files(Manifest manifest, Path folder) {
        Set<String> names = new TreeSet<>(manifest.files().keySet());
        for (String name : names) {
            if (!folder.resolve(name).normalize().startsWith(folder) || name.startsWith("/")) {
                throw new BundleException(
                        "every file lies inside the bundle's folder",
                        name,
                        "build the bundle again with 'streamformer-export export'");
            }
        }
        return names;
    }

    /** The local folder, where the path is one of the local file system; null elsewhere. */
    private static Path local(String bundle) {
        org.apache.flink.core.fs.Path path = new org.apache.flink.core.fs.Path(bundle);
        try {
            return path.toUri().getScheme() == null || !path.getFileSystem().isDistributedFS()
                    ? Path.of(path.getPath()).toAbsolutePath().normalize()
                    : null;
        } catch (IOException e) {
            throw unreachable(bundle, e);
        }
    }

    private static byte[] read(String bundle, String name) {
        try (InputStream in = open(bundle, name)) {
            return in.readAllBytes();
        } catch (IOException e) {
            throw unreachable(bundle + "/" + name, e);
        }
    }

    private static InputStream open(String bundle, String name) throws IOException {
        Path local = local(bundle);
        if (local != null) {
            return Files.newInputStream(local.resolve(name));
        }
        org.apache.flink.core.fs.Path path = new org.apache.flink.core.fs.Path(bundle, name);
        return FileSystem.get(path.toUri()).open(path);
    }

    private static BundleException unreachable(String path, IOException cause) {
        return new BundleException(
                "a bundle's files can be read",
                path + ": " + cause,
                "check the path, and for s3 or hdfs that the file system's plugin lies in Flink's"
                        + " plugins folder",
                cause);
    }
}
