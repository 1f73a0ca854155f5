package io.streamformer.engine;

import io.streamformer.batch.DeviceScheduler;
import io.streamformer.inference.Device;
import java.util.HashMap;
import java.util.Map;

/** The schedulers of this JVM with their counted leases: one per device and number of threads. */
final class DeviceSchedulers {

    private record Key(Device device, int runThreads) {}

    private static final class Entry {
        private final DeviceScheduler scheduler;
        private int leases;

        Entry(Key key) {
            scheduler = new DeviceScheduler(key.device().toString(), key.runThreads());
        }
    }

    private static final Map<Key, Entry> ENTRIES = new HashMap<>();

    private DeviceSchedulers() {}

    /** The scheduler of a device; its threads start with the first lease. */
    static DeviceScheduler lease(Device device, int runThreads) {
        synchronized (ENTRIES) {
            Entry entry = ENTRIES.computeIfAbsent(new Key(device, runThreads), Entry::new);
            entry.leases++;
            return entry.scheduler;
        }
    }

    /** Gives a lease back; the last one ends the threads. */
    static void release(Device device, int runThreads) {
        Key key = new Key(device, runThreads);
        DeviceScheduler last = null;
        synchronized (ENTRIES) {
            Entry entry = ENTRIES.get(key);
            entry.leases--;
            if (entry.leases == 0) {
                ENTRIES.remove(key);
                last = entry.scheduler;
            }
        }
        if (last != null) {
            last.close();
        }
    }
}
