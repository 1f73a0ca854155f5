package io.streamformer.flink.bundle;

import java.io.IOException;
import java.net.URI;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.flink.core.fs.FSDataInputStream;
import org.apache.flink.core.fs.FileSystem;
import org.apache.flink.core.fs.FileSystemFactory;
import org.apache.flink.core.fs.Path;
import org.apache.flink.core.fs.local.LocalFileSystem;

/** The local disk under the scheme {@code remote}, as s3 would be seen. */
public final class RemoteFileSystem extends LocalFileSystem {

    static final AtomicInteger OPENED = new AtomicInteger();

    /** What every read fails with; null where none does. */
    static volatile String failure;

    @Override
    public boolean isDistributedFS() {
        return true;
    }

    @Override
    public URI getUri() {
        return URI.create("remote:///");
    }

    @Override
    public FSDataInputStream open(Path path) throws IOException {
        if (failure != null) {
            throw new IOException(failure);
        }
        OPENED.incrementAndGet();
        return super.open(new Path(path.getPath()));
    }

    /** Found by Flink through META-INF/services. */
    public static final class Factory implements FileSystemFactory {
        @Override
        public String getScheme() {
            return "remote";
        }

        @Override
        public FileSystem create(URI uri) {
            return new RemoteFileSystem();
        }
    }
}
