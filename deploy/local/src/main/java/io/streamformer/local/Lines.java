package io.streamformer.local;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;

/**
 * The lines of a file or of the terminal.
 *
 * <p>A line ends with {@code \n} or {@code \r\n}; the last may end with the stream.
 */
public final class Lines implements LineSource {

    /** Longest line that is sent: a record is a little more than its text. */
    public static final int MAX_BYTES = 8 * 1024 * 1024;

    private final InputStream in;
    private final int limit;

    /**
     * Reads lines.
     *
     * @param limit longest line in bytes; of a longer one only the length is kept
     */
    public Lines(InputStream in, int limit) {
        this.in = new BufferedInputStream(in, 1 << 16);
        this.limit = limit;
    }

    @Override
    public Line next() throws IOException {
        int b = in.read();
        if (b < 0) {
            return null;
        }
        ByteArrayOutputStream line = new ByteArrayOutputStream(128);
        long length = 0;
        boolean endsWithReturn = false;
        for (; b >= 0 && b != '\n'; b = in.read()) {
            // One byte more than the limit, for the \r that may be dropped.
            if (length <= limit) {
                line.write(b);
            }
            endsWithReturn = b == '\r';
            length++;
        }
        if (endsWithReturn) {
            length--;
        }
        return length > limit
                ? new Line(null, length)
                : new Line(Arrays.copyOf(line.toByteArray(), (int) length), length);
    }

    @Override
    public void close() throws IOException {
        in.close();
    }
}
