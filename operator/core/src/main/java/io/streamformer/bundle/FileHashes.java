package io.streamformer.bundle;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileTime;
import java.security.MessageDigest;
import java.time.Duration;
import java.time.Instant;
import java.util.HexFormat;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * SHA-256 of files, computed once per JVM while a file stays as it is: a job that restarts need not
 * read gigabytes of weights again.
 */
final class FileHashes {

    /** A younger file may change again without another time of change. */
    private static final Duration SETTLED = Duration.ofSeconds(2);

    /** What changes with a file. */
    private record Stamp(long size, FileTime modified, Object inode) {}

    private record Hashed(Stamp stamp, String sha256) {}

    private static final Map<Path, Hashed> KNOWN = new ConcurrentHashMap<>();

    private FileHashes() {}

    /** The hash in hexadecimal digits. */
    static String sha256(Path file) {
        try {
            Stamp stamp = stamp(file);
            Hashed known = KNOWN.get(file);
            if (known != null && known.stamp().equals(stamp)) {
                return known.sha256();
            }
            boolean settled = stamp.modified().toInstant().isBefore(Instant.now().minus(SETTLED));
            String hash = compute(file);
            if (settled && stamp.equals(stamp(file))) {
                KNOWN.put(file, new Hashed(stamp, hash));
            } else {
                KNOWN.remove(file);
            }
            return hash;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Stamp stamp(Path file) throws IOException {
        BasicFileAttributes attributes = Files.readAttributes(file, BasicFileAttributes.class);
        return new Stamp(attributes.size(), attributes.lastModifiedTime(), attributes.fileKey());
    }

    private static String compute(Path file) throws IOException {
        MessageDigest digest = Bundle.sha256();
        byte[] buffer = new byte[1 << 16];
        try (InputStream in = Files.newInputStream(file)) {
            for (int read = in.read(buffer); read >= 0; read = in.read(buffer)) {
                digest.update(buffer, 0, read);
            }
        }
        return HexFormat.of().formatHex(digest.digest());
    }
}
