package io.streamformer.inference;

/**
 * A graph in memory. Closing it during a run may end the process: its owner first makes sure that
 * no run is left.
 */
public interface LoadedModel extends AutoCloseable {

    /** The device that does the work: one GPU, or the CPU. */
    Device device();

    /** A runner for one thread. */
    ModelRunner newRunner();

    @Override
    void close();
}
