package io.streamformer.local;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;

/** A file or stream of the user's failed while it was read or written: one line, exit code 1. */
public final class AccessException extends RuntimeException {

    AccessException(String doing, IOException cause, String next) {
        super("Cannot " + doing + ": " + reason(cause) + ". " + next, cause);
    }

    /** Java's own messages of these have the path alone. */
    private static String reason(IOException cause) {
        if (cause instanceof NoSuchFileException) {
            return "no such file or folder";
        }
        if (cause instanceof AccessDeniedException) {
            return "permission denied";
        }
        if (cause instanceof FileSystemException failure && failure.getReason() != null) {
            return failure.getReason();
        }
        return cause.getMessage() == null ? cause.getClass().getSimpleName() : cause.getMessage();
    }
}
