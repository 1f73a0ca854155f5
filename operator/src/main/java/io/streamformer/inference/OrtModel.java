package io.streamformer.inference;

import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtLoggingLevel;
import ai.onnxruntime.OrtSession;
import io.streamformer.bundle.Bundle;
import io.streamformer.bundle.BundleException;
import io.streamformer.bundle.Task;

/**
 * A loaded graph of a bundle. Each thread that runs it takes a {@link ModelRunner} of its own.
 * Closing it during a run ends the process: whoever closes it makes sure that no run is left.
 */
public final class OrtModel implements AutoCloseable {

    private final OrtSession session;
    private final OrtSession.RunOptions quiet;
    private final Device device;
    private final int padTokenId;
    private final Task task;
    private final Shortlist shortlist;

    private OrtModel(
            OrtSession session, Device device, int padTokenId, Task task, Shortlist shortlist)
            throws OrtException {
        this.session = session;
        // A run that fails throws what ONNX Runtime would print: a bad text must not fill the log.
        this.quiet = new OrtSession.RunOptions();
        this.quiet.setLogLevel(OrtLoggingLevel.ORT_LOGGING_LEVEL_FATAL);
        this.device = device;
        this.padTokenId = padTokenId;
        this.task = task;
        this.shortlist = shortlist;
    }

    /** Opens the variant's graph and holds it against the manifest. */
    public static OrtModel load(Bundle bundle, ModelOptions options) {
        String file = bundle.variant(options.variant()).file();
        try {
            SessionFactory.Opened opened = SessionFactory.open(bundle.file(file), options);
            Shortlist shortlist;
            try {
                GraphCheck.verify(bundle.manifest(), opened.session());
                shortlist = shortlistOf(bundle, opened.session());
            } catch (OrtException | RuntimeException e) {
                opened.session().close();
                throw e;
            }
            return new OrtModel(
                    opened.session(),
                    opened.device(),
                    bundle.manifest().tokenizer().padTokenId(),
                    bundle.manifest().task(),
                    shortlist);
        } catch (OrtException e) {
            throw new BundleException(
                    file + " is a graph that this ONNX Runtime can load",
                    String.valueOf(e.getMessage()),
                    "build the bundle again with the 'streamformer-export' of this release",
                    e);
        }
    }

    /** The bundle's shortlist; null where the graph does not ask for one. */
    private static Shortlist shortlistOf(Bundle bundle, OrtSession session) {
        return session.getInputNames().contains(GraphCheck.SHORTLIST)
                ? Shortlist.read(bundle.file(bundle.manifest().decoding().shortlistFile()))
                : null;
    }

    /** The device that does the work: one GPU, or the CPU. */
    public Device device() {
        return device;
    }

    /** A runner for one thread. */
    public ModelRunner newRunner() {
        return new ModelRunner(session, quiet, padTokenId, task, shortlist);
    }

    @Override
    public void close() {
        try {
            quiet.close();
            session.close();
        } catch (OrtException e) {
            throw new IllegalStateException("the session could not be closed: this is a bug", e);
        }
    }
}
