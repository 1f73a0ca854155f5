package io.streamformer.engine;

import io.streamformer.bundle.Bundle;
import io.streamformer.inference.InferenceEngine;
import io.streamformer.inference.ort.OrtEngine;
import io.streamformer.options.Options;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.flink.annotation.Internal;

/**
 * A counted lease on a loaded bundle: text in, future prediction out. Leases of one bundle with
 * equal options share one session in the JVM.
 */
@Internal
public final class InferencePipeline implements AutoCloseable {

    private static final Duration FOREVER = Duration.ofDays(365);

    private final SessionRegistry.Entry entry;
    private final SharedSession session;
    private final AtomicBoolean closed = new AtomicBoolean();

    private InferencePipeline(SessionRegistry.Entry entry, SharedSession session) {
        this.entry = entry;
        this.session = session;
    }

    /**
     * Verifies the bundle, its golden texts too, or joins the session that another lease holds.
     *
     * @throws io.streamformer.bundle.BundleException if the bundle breaks a rule
     * @throws IllegalArgumentException if the options do not fit the bundle
     * @throws IllegalStateException if a required device is not there
     */
    public static InferencePipeline acquire(Path bundleFolder, Options options) {
        return acquire(bundleFolder, options, OrtEngine.INSTANCE);
    }

    /** As above, on another engine. */
    static InferencePipeline acquire(Path bundleFolder, Options options, InferenceEngine engine) {
        SessionRegistry.Entry entry = SessionRegistry.lease(bundleFolder, options, engine);
        return new InferencePipeline(entry, entry.session());
    }

    /** The bundle that answers. */
    public Bundle bundle() {
        return session.bundle();
    }

    /** The variant that answers. */
    public String variant() {
        return session.variant();
    }

    /**
     * Queues a text. Never blocks and never throws for a bad text: its future fails with an {@link
     * InferenceException}. Any other failure of the future is one of the engine, not of the text. A
     * future that is cancelled, or completed from outside, leaves the queue before it costs device
     * time. Futures complete on the run threads: what depends on them must be short.
     *
     * @param timeout longest time that a run may work on the text; waiting for it does not count
     */
    public CompletableFuture<Answer> submit(TextInput input, Duration timeout) {
        if (closed.get()) {
            throw new IllegalStateException(
                    "a text came to a closed pipeline: keep the lease until the last answer");
        }
        return session.submit(input, timeout);
    }

    /** The same without a limit of its own to the time of a run. */
    public CompletableFuture<Answer> submit(TextInput input) {
        return submit(input, FOREVER);
    }

    /** Counters shared by all leases of the session. */
    public PipelineStats stats() {
        return session.stats();
    }

    /** Texts that have to be under way for the device to stay busy. */
    public int minimumCapacity() {
        return session.minimumCapacity();
    }

    /**
     * Gives the lease back; the last one waits for runs in flight, cancels what still waits for
     * one, and closes the session. Called once nothing is submitted to this lease any more, and
     * never from what a future completes: that would wait for itself.
     */
    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            SessionRegistry.release(entry);
        }
    }
}
