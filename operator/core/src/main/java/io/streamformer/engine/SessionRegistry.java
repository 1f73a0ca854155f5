package io.streamformer.engine;

import io.streamformer.bundle.Bundle;
import io.streamformer.bundle.BundleException;
import io.streamformer.inference.InferenceEngine;
import io.streamformer.options.Options;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;

/** The sessions of this JVM with their counted leases: one per bundle and options. */
final class SessionRegistry {

    /** What leases have to have in common to share a session. */
    private record Key(String bundleHash, Options options, InferenceEngine engine) {}

    /**
     * A session and who needs it. Its own lock is held while the session is built or closed, so
     * that other bundles do not wait for it.
     */
    static final class Entry {
        private final Key key;
        private int users;
        private int leases;
        private SharedSession session;

        private Entry(Key key) {
            this.key = key;
        }

        SharedSession session() {
            return session;
        }
    }

    private static final Map<Key, Entry> ENTRIES = new HashMap<>();

    private SessionRegistry() {}

    /** Builds the session, or joins it. The lease counts only once the session is there. */
    static Entry lease(Path bundleFolder, Options options, InferenceEngine engine) {
        Key key = new Key(Bundle.hashOf(bundleFolder), options, engine);
        Entry entry;
        synchronized (ENTRIES) {
            entry = ENTRIES.computeIfAbsent(key, Entry::new);
            entry.users++;
        }
        try {
            synchronized (entry) {
                if (entry.leases == 0) {
                    entry.session = SharedSession.open(read(bundleFolder, key), options, engine);
                }
                entry.leases++;
                return entry;
            }
        } catch (RuntimeException | Error e) {
            forget(entry);
            throw e;
        }
    }

    /** Gives a lease back; the last one closes the session. */
    static void release(Entry entry) {
        try {
            synchronized (entry) {
                entry.leases--;
                if (entry.leases == 0) {
                    SharedSession last = entry.session;
                    entry.session = null;
                    last.close();
                }
            }
        } finally {
            forget(entry);
        }
    }

    /** Sessions that are open or about to be. */
    static int size() {
        synchronized (ENTRIES) {
            return ENTRIES.size();
        }
    }

    private static void forget(Entry entry) {
        synchronized (ENTRIES) {
            entry.users--;
            if (entry.users == 0) {
                ENTRIES.remove(entry.key);
            }
        }
    }

    private static Bundle read(Path folder, Key key) {
        Bundle bundle = Bundle.read(folder);
        if (!bundle.hash().equals(key.bundleHash())) {
            throw new BundleException(
                    "a bundle stays as it is while it is loaded",
                    "its manifest changed from " + key.bundleHash() + " to " + bundle.hash(),
                    "put a new version of a bundle into a new folder");
        }
        return bundle;
    }
}
