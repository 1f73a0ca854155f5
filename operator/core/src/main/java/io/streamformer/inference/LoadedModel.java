package io.streamformer.inference;

import org.apache.flink.annotation.Internal;

/**
 * A graph in memory. Closing it during a run may end the process: its owner first makes sure that
 * no run is left.
 */
@Internal
public interface LoadedModel extends AutoCloseable {

    /** The device that does the work: one GPU, or the CPU. */
    Device device();

    /** A runner for one thread. */
    ModelRunner newRunner();

    @Override
    void close();
}
