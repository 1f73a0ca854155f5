package io.streamformer.engine;

/**
 * How many tokens a model writes for each that it reads, over the recent ones: texts of another
 * kind are judged by their like soon. Told the totals of a session's life; thread-safe.
 */
final class LengthRatio {

    /** Tokens read in a window; the ratio is the ratio of one to two windows. */
    static final long WINDOW = 1 << 16;

    private long olderRead;
    private long olderWritten;
    private long newerRead;
    private long newerWritten;

    /** The ratio; 1 before the first answer. */
    synchronized double of(long read, long written) {
        if (read - newerRead >= WINDOW) {
            olderRead = newerRead;
            olderWritten = newerWritten;
            newerRead = read;
            newerWritten = written;
        }
        return read == olderRead ? 1 : (double) (written - olderWritten) / (read - olderRead);
    }
}
