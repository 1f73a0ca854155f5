package io.streamformer.local;

/** The user asked for something that cannot be: one line that says what to do instead. */
public final class UsageException extends RuntimeException {
    public UsageException(String message) {
        super(message);
    }
}
