package io.streamformer.local;

import java.io.IOException;

/**
 * Where the texts come from, one line each, as bytes: whether they are text is the job's to judge.
 */
public interface LineSource extends AutoCloseable {

    /**
     * One line without its end.
     *
     * @param bytes null where the line was longer than a topic takes
     * @param length bytes of the line, kept or not
     */
    @SuppressWarnings("ArrayRecordComponent") // read once, never compared as a record
    record Line(byte[] bytes, long length) {}

    /** The next line, as soon as there is one; null after the last. */
    Line next() throws IOException, InterruptedException;

    @Override
    void close() throws IOException;
}
