package io.streamformer.inference.ort;

import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import io.streamformer.bundle.Bundle;
import io.streamformer.bundle.BundleException;
import io.streamformer.inference.Device;
import io.streamformer.inference.LoadedModel;
import io.streamformer.inference.ModelRunner;
import io.streamformer.inference.SessionSetup;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;

/** A loaded graph of a bundle. Closing it during a run ends the process. */
final class OrtModel implements LoadedModel {

    /** What the graphs of all sessions on a CPU may take together, beyond the first. */
    private static final long COPIES_BYTES = 128L << 20;

    private final List<OrtSession> sessions;
    private final AtomicInteger runners = new AtomicInteger();
    private final Device device;
    private final int padTokenId;
    private final boolean generates;
    private final Shortlist shortlist;
    private final boolean minimumPerRow;

    private OrtModel(
            List<OrtSession> sessions,
            Device device,
            int padTokenId,
            boolean generates,
            Shortlist shortlist,
            boolean minimumPerRow) {
        this.sessions = sessions;
        this.device = device;
        this.padTokenId = padTokenId;
        this.generates = generates;
        this.shortlist = shortlist;
        this.minimumPerRow = minimumPerRow;
    }

    /** Opens the variant's graph and checks it against the manifest. */
    static OrtModel load(Bundle bundle, SessionSetup options, Set<String> outputs) {
        String file = bundle.variant(options.variant()).file();
        Path graph = bundle.file(file);
        List<OrtSession> sessions = new ArrayList<>();
        try {
            OrtSession first = SessionFactory.open(graph, options);
            sessions.add(first);
            GraphCheck.verify(bundle.manifest(), first, outputs);
            int copies = copies(sizeOf(bundle, file), options.device(), options.runThreads());
            for (int i = copies; i > 0; i--) {
                sessions.add(SessionFactory.open(graph, options));
            }
            return new OrtModel(
                    sessions,
                    options.device(),
                    bundle.manifest().tokenizer().padTokenId(),
                    bundle.manifest().task().generates(),
                    shortlistOf(bundle, first),
                    GraphCheck.minimumPerRow(bundle.manifest()));
        } catch (OrtException e) {
            close(sessions);
            throw new BundleException(
                    file + " is a graph that this ONNX Runtime can load",
                    String.valueOf(e.getMessage()),
                    "build the bundle again with the 'streamformer-export' of this release",
                    e);
        } catch (RuntimeException | Error e) {
            close(sessions);
            throw e;
        }
    }

    /**
     * Sessions of the same graph beside the first. A session's arena has one lock for all threads
     * that run it, and short operators spend much of their time there: a small graph gets a session
     * for each thread. A large one, whose operators take long, is there once.
     */
    static int copies(long bytes, Device device, int runThreads) {
        long most = device.gpu() ? 0 : COPIES_BYTES / Math.max(1, bytes);
        return (int) Math.min(most, runThreads - 1L);
    }

    /** Bytes of a graph with the weights beside it, whose names start with the graph's. */
    static long sizeOf(Bundle bundle, String graph) {
        long bytes = 0;
        for (String file : bundle.manifest().files().keySet()) {
            if (file.startsWith(graph)) {
                try {
                    bytes += Files.size(bundle.file(file));
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            }
        }
        return bytes;
    }

    /** The bundle's shortlist; null where the graph does not ask for one. */
    private static Shortlist shortlistOf(Bundle bundle, OrtSession session) {
        return session.getInputNames().contains(GraphCheck.SHORTLIST)
                ? Shortlist.read(bundle.file(bundle.manifest().decoding().shortlistFile()))
                : null;
    }

    @Override
    public Device device() {
        return device;
    }

    /** Runners take the sessions in turn. */
    @Override
    public ModelRunner newRunner() {
        OrtSession session =
                sessions.get(Math.floorMod(runners.getAndIncrement(), sessions.size()));
        return new OrtRunner(session, padTokenId, generates, shortlist, minimumPerRow);
    }

    @Override
    public void close() {
        close(sessions);
    }

    private static void close(List<OrtSession> sessions) {
        try {
            for (OrtSession session : sessions) {
                session.close();
            }
        } catch (OrtException e) {
            throw new IllegalStateException("a session could not be closed: this is a bug", e);
        }
    }
}
