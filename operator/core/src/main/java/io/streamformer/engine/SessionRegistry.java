package io.streamformer.engine;

import io.streamformer.batch.RuntimeThreads;
import io.streamformer.bundle.Bundle;
import io.streamformer.bundle.BundleException;
import io.streamformer.inference.InferenceEngine;
import io.streamformer.options.Options;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/**
 * The sessions of this JVM with their counted leases: one per bundle and options. A session lingers
 * for a while after its last lease, so that a job that restarts finds it.
 */
final class SessionRegistry {

    /** What leases have to have in common to share a session. */
    private record Key(String bundleHash, Options options, InferenceEngine engine) {}

    /**
     * A session and who needs it. Its own lock is held while the session is built or closed, so
     * that other bundles do not wait for it.
     */
    static final class Entry {
        private final Key key;

        /** Leases, and those who wait for one. Guarded by {@link #ENTRIES}. */
        private int users;

        /** Counts the times that the last lease was given back. Guarded by {@link #ENTRIES}. */
        private int lingered;

        private SharedSession session;

        private Entry(Key key) {
            this.key = key;
        }

        SharedSession session() {
            return session;
        }
    }

    private static final Map<Key, Entry> ENTRIES = new HashMap<>();

    private static final ScheduledThreadPoolExecutor CLOSER = closer();

    private static volatile Duration linger = Duration.ofMinutes(1);

    private SessionRegistry() {}

    private static ScheduledThreadPoolExecutor closer() {
        ScheduledThreadPoolExecutor closer =
                new ScheduledThreadPoolExecutor(
                        1, work -> RuntimeThreads.daemon("streamformer-sessions", work));
        closer.setKeepAliveTime(1, TimeUnit.MINUTES);
        closer.allowCoreThreadTimeOut(true);
        return closer;
    }

    /** How long a session outlives its last lease; zero closes it with the lease. */
    static void linger(Duration value) {
        linger = value;
    }

    /** Builds the session, or joins it. */
    static Entry lease(Path bundleFolder, Options options, InferenceEngine engine) {
        Key key = new Key(Bundle.hashOf(bundleFolder), options, engine);
        Entry entry;
        boolean known;
        synchronized (ENTRIES) {
            known = ENTRIES.containsKey(key);
            entry = ENTRIES.computeIfAbsent(key, Entry::new);
            entry.users++;
        }
        try {
            if (!known) {
                // A model that nobody uses must not take the memory that this one needs.
                closeLingering();
            }
            synchronized (entry) {
                if (entry.session == null) {
                    entry.session = SharedSession.open(read(bundleFolder, key), options, engine);
                }
            }
        } catch (RuntimeException | Error e) {
            synchronized (ENTRIES) {
                entry.users--;
            }
            closeUnused(entry);
            throw e;
        }
        if (entry.session.failure() == null) {
            return entry;
        }
        // It broke down while nobody, or another job, had it: this lease gets a new one.
        release(entry);
        return lease(bundleFolder, options, engine);
    }

    /** Gives a lease back; some time after the last one the session is closed. */
    static void release(Entry entry) {
        boolean last;
        int time;
        boolean broken = entry.session.failure() != null;
        synchronized (ENTRIES) {
            entry.users--;
            last = entry.users == 0;
            time = ++entry.lingered;
            if (broken) {
                // Whoever comes next opens another.
                ENTRIES.remove(entry.key, entry);
            }
        }
        if (!last) {
            return;
        }
        if (!broken && linger.isZero()) {
            closeUnused(entry);
            return;
        }
        var unused =
                CLOSER.schedule(
                        () -> {
                            synchronized (ENTRIES) {
                                if (entry.lingered != time) {
                                    return;
                                }
                            }
                            closeUnused(entry);
                        },
                        // A run that hangs is waited for, but not by the job that restarts.
                        broken ? 0 : linger.toNanos(),
                        TimeUnit.NANOSECONDS);
    }

    /** Closes all sessions that nobody has a lease on. */
    static void closeLingering() {
        List<Entry> entries;
        synchronized (ENTRIES) {
            entries = ENTRIES.values().stream().filter(entry -> entry.users == 0).toList();
        }
        entries.forEach(SessionRegistry::closeUnused);
    }

    /** Closes a session if nobody has a lease on it, or waits for one. */
    private static void closeUnused(Entry entry) {
        synchronized (entry) {
            synchronized (ENTRIES) {
                if (entry.users > 0) {
                    return;
                }
                ENTRIES.remove(entry.key, entry);
            }
            SharedSession last = entry.session;
            entry.session = null;
            if (last != null) {
                last.close();
            }
        }
    }

    /** Sessions that are open or about to be. */
    static int size() {
        synchronized (ENTRIES) {
            return ENTRIES.size();
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
