package io.streamformer.engine;

import io.streamformer.batch.DeviceScheduler;

/**
 * The schedulers of this JVM with their counted leases: one for its CPU and one for its GPUs, so
 * that all sessions of a device take turns on it, whatever their options call it.
 */
final class DeviceSchedulers {

    static final DeviceSchedulers CPU = new DeviceSchedulers();
    static final DeviceSchedulers GPU = new DeviceSchedulers();

    private DeviceScheduler scheduler;
    private int leases;

    private DeviceSchedulers() {}

    /** The scheduler; its first threads start with the first queue. */
    synchronized DeviceScheduler lease() {
        if (leases == 0) {
            scheduler = new DeviceScheduler("streamformer");
        }
        leases++;
        return scheduler;
    }

    /** Gives a lease back; the last one ends the threads. */
    void release() {
        DeviceScheduler last = null;
        synchronized (this) {
            leases--;
            if (leases == 0) {
                last = scheduler;
                scheduler = null;
            }
        }
        if (last != null) {
            last.close();
        }
    }
}
