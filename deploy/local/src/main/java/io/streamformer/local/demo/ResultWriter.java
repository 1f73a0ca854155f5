package io.streamformer.local.demo;

import io.streamformer.local.UserFiles;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/** Where answered events go as JSON lines. */
final class ResultWriter implements AutoCloseable {

    private final OutputStream out;
    private final boolean flushEach;

    private ResultWriter(OutputStream out, boolean flushEach) {
        this.out = out;
        this.flushEach = flushEach;
    }

    /**
     * Opens the file, or the standard output for {@code -}.
     *
     * @param path null gives null: nothing is to be written
     * @param interactive whether somebody waits for each line
     */
    static ResultWriter open(Path path, boolean interactive) {
        if (path == null) {
            return null;
        }
        boolean stdout = path.toString().equals("-");
        OutputStream out = stdout ? System.out : UserFiles.write("--output", path);
        return new ResultWriter(new BufferedOutputStream(out, 1 << 16), stdout || interactive);
    }

    void write(AnsweredEvent event) throws IOException {
        out.write(JsonLines.toJson(event).getBytes(StandardCharsets.UTF_8));
        out.write('\n');
        if (flushEach) {
            out.flush();
        }
    }

    @Override
    public void close() throws IOException {
        out.close();
    }
}
