package io.streamformer.local;

/** The user asked for something that cannot be: one line that says what to do instead. */
final class UsageException extends RuntimeException {
    UsageException(String message) {
        super(message);
    }
}
