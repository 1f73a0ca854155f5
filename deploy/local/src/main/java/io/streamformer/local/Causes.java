package io.streamformer.local;

import io.streamformer.bundle.BundleException;

/** What people are told of an error. */
public final class Causes {

    private Causes() {}

    /** The message of the innermost cause that has one: Flink and Java wrap it many times. */
    public static String of(Throwable error) {
        String message = error.getClass().getSimpleName();
        for (Throwable t = error; t != null; t = t.getCause()) {
            if (t.getMessage() != null) {
                message = t.getMessage();
            }
            if (t instanceof BundleException || t instanceof UsageException) {
                return t.getMessage();
            }
        }
        return message;
    }
}
