package io.streamformer.flink.bundle;

import io.streamformer.bundle.Bundle;
import io.streamformer.bundle.BundleException;
import io.streamformer.bundle.BundleReference;
import io.streamformer.bundle.Manifest;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.Set;
import java.util.TreeSet;
import org.apache.flink.annotation.Internal;
import org.apache.flink.util.FileUtils;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Bundles on the local disk: bundles of the local file system in their own folder, bundles of s3,
 * hdfs and other file systems of Flink as verified copies.
 *
 * <p>A copy is in a folder that is named by the bundle's hash. A damaged copy is left where it is,
 * since another process may use it, and a new one is put beside it.
 */
@Internal
public final class BundleCache {

    private static final Logger LOG = LoggerFactory.getLogger(BundleCache.class);

    private static final String PARTIAL = "partial-";

    /** A download that is older has lost its process. */
    private static final Duration LONGEST_DOWNLOAD = Duration.ofDays(1);

    /** Subtasks that open together download a bundle once. */
    private static final Object DOWNLOAD = new Object();

    private final Path directory;

    BundleCache(Path directory) {
        this.directory = directory.toAbsolutePath().normalize();
    }

    /** The cache in a folder; for null one in the temporary folder of this machine. */
    public static BundleCache in(String directory) {
        return new BundleCache(
                directory == null
                        ? Path.of(System.getProperty("java.io.tmpdir"), "streamformer-bundles")
                        : Path.of(directory));
    }

    /**
     * The folder of a bundle on the local disk. A copy that is intact is used without asking the
     * file system that it came from.
     *
     * @throws BundleException if the bundle is not the one that is meant, or breaks a rule
     * @throws UncheckedIOException if it cannot be read now, which may pass
     */
    public Path fetch(BundleReference bundle) {
        BundleFiles files = BundleFiles.of(bundle.uri());
        if (files.local() != null) {
            bundle.check(Bundle.hashOf(files.local()));
            return files.local();
        }
        synchronized (DOWNLOAD) {
            try {
                return copyOf(bundle, files);
            } catch (IOException e) {
                throw new UncheckedIOException(
                        "Cannot keep a copy of " + bundle.uri() + " in " + directory + ".", e);
            }
        }
    }

    private Path copyOf(BundleReference bundle, BundleFiles files) throws IOException {
        Path folder = directory.resolve(bundle.hash());
        for (int i = 1; Files.exists(folder); i++) {
            if (isIntact(folder)) {
                return folder;
            }
            folder = directory.resolve(bundle.hash() + "-" + i);
        }
        Files.createDirectories(directory);
        deleteAbandoned();
        Path partial = Files.createTempDirectory(directory, PARTIAL);
        try {
            download(bundle, files, partial);
            // Another process on this machine may put the same bundle there first.
            Files.move(partial, folder, StandardCopyOption.ATOMIC_MOVE);
            return folder;
        } catch (IOException e) {
            if (isIntact(folder)) {
                return folder;
            }
            throw e;
        } finally {
            FileUtils.deleteDirectoryQuietly(partial.toFile());
        }
    }

    private static void download(BundleReference bundle, BundleFiles files, Path partial)
            throws IOException {
        LOG.info("Downloading {} ({})", bundle.uri(), bundle.hash());
        byte[] manifest = files.manifest();
        bundle.check(Bundle.hashOf(manifest));
        Files.write(partial.resolve(BundleFiles.MANIFEST), manifest);
        for (String name : names(Bundle.parse(manifest), partial)) {
            Path file = partial.resolve(name);
            Files.createDirectories(file.getParent());
            try (InputStream in = files.open(name)) {
                Files.copy(in, file);
            }
        }
        Bundle.read(partial);
    }

    /** Deletes what a process that was killed during a download has left. */
    private void deleteAbandoned() throws IOException {
        FileTime old = FileTime.from(Instant.now().minus(LONGEST_DOWNLOAD));
        try (var partials = Files.newDirectoryStream(directory, PARTIAL + "*")) {
            for (Path partial : partials) {
                if (Files.getLastModifiedTime(partial).compareTo(old) < 0) {
                    FileUtils.deleteDirectoryQuietly(partial.toFile());
                }
            }
        }
    }

    private static boolean isIntact(Path folder) {
        try {
            Bundle.read(folder);
            return true;
        } catch (BundleException e) {
            // A cleaner of temporary files took some.
            return false;
        }
    }

    private static Set<String> names(Manifest manifest, Path folder) {
        Set<String> names = new TreeSet<>(manifest.files().keySet());
        for (String name : names) {
            if (!folder.resolve(name).normalize().startsWith(folder) || name.startsWith("/")) {
                throw new BundleException(
                        "every file is inside the bundle's folder",
                        name,
                        "build the bundle again with 'streamformer-export export'");
            }
        }
        return names;
    }
}
