package io.streamformer.flink.async;

import io.streamformer.flink.RuntimeJar;
import java.io.IOException;
import java.io.Serializable;

/**
 * The written form of an {@link InferenceAsyncFunction}. A TaskManager can read it without the
 * runtime, and then says that there is none; the function itself would fail with the name of some
 * class.
 */
final class FunctionBytes implements Serializable {

    private static final long serialVersionUID = 1L;

    private final byte[] bytes;

    FunctionBytes(byte[] bytes) {
        this.bytes = bytes;
    }

    private Object readResolve() throws IOException, ClassNotFoundException {
        RuntimeJar.require();
        return InferenceAsyncFunction.read(bytes);
    }
}
