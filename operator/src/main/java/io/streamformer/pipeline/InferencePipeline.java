package io.streamformer.pipeline;

import io.streamformer.bundle.Bundle;
import io.streamformer.decode.Prediction;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;

/**
 * A counted lease on a loaded bundle: text in, future prediction out. Leases of one bundle with
 * equal options share one session in the JVM.
 */
@SuppressWarnings("DoNotCallSuggester")
public final class InferencePipeline implements AutoCloseable {

    private InferencePipeline() {}

    /**
     * Verifies the bundle, its golden texts too, or joins the session that another lease holds.
     *
     * @throws io.streamformer.bundle.BundleException if the bundle breaks a rule
     */
    public static InferencePipeline acquire(Path bundleFolder, PipelineOptions options) {
        throw new UnsupportedOperationException();
    }

    /** The bundle that answers. */
    public Bundle bundle() {
        throw new UnsupportedOperationException();
    }

    /** The variant that answers. */
    public String variant() {
        throw new UnsupportedOperationException();
    }

    /**
     * Queues a text. Never blocks and never throws for a bad text: its future fails with an {@link
     * InferenceException}. A future that is cancelled, or completed from outside, leaves the queue
     * before it costs device time. Any other failure is one of the engine, not of the text.
     */
    public CompletableFuture<Prediction> submit(TextInput input) {
        throw new UnsupportedOperationException();
    }

    /** Counters shared by all leases of the session. */
    public PipelineStats stats() {
        throw new UnsupportedOperationException();
    }

    /** Texts that have to be under way for the device to stay busy. */
    public int minimumCapacity() {
        throw new UnsupportedOperationException();
    }

    /** Gives the lease back; the last one waits for runs in flight and closes the session. */
    @Override
    public void close() {
        throw new UnsupportedOperationException();
    }
}
