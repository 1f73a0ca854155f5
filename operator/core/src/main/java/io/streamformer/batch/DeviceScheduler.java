package io.streamformer.batch;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The run threads of one device and the queues that they serve: a thread that is free runs the next
 * batch of the queue that has had the least of the device's time.
 *
 * <p>Shares are those of start-time fair queuing (Goyal, Vin, Cheng 1996): a queue is charged the
 * time of its runs, and one that was empty starts from where the others are, so that it can neither
 * save up a right to the device nor be made to pay for having been alone on it.
 */
public final class DeviceScheduler implements AutoCloseable {

    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private final List<MicroBatcher<?>> queues = new ArrayList<>();
    private final List<Thread> threads = new ArrayList<>();
    private long served;
    private int running;
    private boolean closed;

    /**
     * Starts the run threads.
     *
     * @param device what the threads are called after
     * @param runThreads batches that run at the same time
     */
    public DeviceScheduler(String device, int runThreads) {
        if (runThreads < 1) {
            throw new IllegalArgumentException("runThreads is at least 1, seen " + runThreads);
        }
        for (int i = 0; i < runThreads; i++) {
            int index = i;
            Thread thread = new Thread(() -> work(index), "streamformer-" + device + "-" + i);
            thread.setDaemon(true);
            threads.add(thread);
        }
        threads.forEach(Thread::start);
    }

    /** Batches that run at the same time. */
    public int runThreads() {
        return threads.size();
    }

    ReentrantLock lock() {
        return lock;
    }

    /** Wakes a run thread; the caller holds the lock. */
    void wake() {
        changed.signal();
    }

    void open(MicroBatcher<?> queue) {
        lock.lock();
        try {
            if (closed) {
                throw new IllegalStateException(
                        "a queue came to a closed scheduler: this is a bug");
            }
            queues.add(queue);
        } finally {
            lock.unlock();
        }
    }

    void close(MicroBatcher<?> queue) {
        queues.remove(queue);
    }

    /** Virtual time at which a queue starts that was empty; the caller holds the lock. */
    long served() {
        return served;
    }

    /** Ends the run threads, once all queues are closed. */
    @Override
    public void close() {
        lock.lock();
        try {
            if (!queues.isEmpty()) {
                throw new IllegalStateException(
                        "a scheduler is closed after its queues, seen "
                                + queues.size()
                                + " open: this is a bug");
            }
            closed = true;
            changed.signalAll();
        } finally {
            lock.unlock();
        }
        boolean interrupted = false;
        for (Thread thread : threads) {
            while (thread.isAlive()) {
                try {
                    thread.join();
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private void work(int thread) {
        for (MicroBatcher<?>.Batch batch = take(); batch != null; batch = take()) {
            long start = System.nanoTime();
            try {
                batch.run(thread);
            } finally {
                done(batch, System.nanoTime() - start);
            }
        }
    }

    /** Waits for the next batch; null once closed. */
    private MicroBatcher<?>.Batch take() {
        lock.lock();
        try {
            while (!closed) {
                long now = System.nanoTime();
                long soonest = Long.MAX_VALUE;
                MicroBatcher<?> next = null;
                for (MicroBatcher<?> queue : queues) {
                    long dueIn = queue.dueIn(now, running == 0);
                    soonest = Math.min(soonest, dueIn);
                    if (dueIn <= 0 && (next == null || queue.used() - next.used() < 0)) {
                        next = queue;
                    }
                }
                if (next != null) {
                    served = next.used();
                    MicroBatcher<?>.Batch batch = next.take();
                    if (batch != null) {
                        running++;
                        // What is left is another thread's to look at: its signal may be gone.
                        changed.signal();
                        return batch;
                    }
                } else if (soonest == Long.MAX_VALUE) {
                    changed.awaitUninterruptibly();
                } else {
                    awaitNanos(soonest);
                }
            }
            return null;
        } finally {
            lock.unlock();
        }
    }

    @SuppressWarnings("WaitNotInLoop") // the loop is the caller's
    private void awaitNanos(long nanos) {
        try {
            changed.awaitNanos(nanos);
        } catch (InterruptedException e) {
            // Nobody owns these threads but this class, and it ends them otherwise.
            throw new AssertionError("a run thread was interrupted: this is a bug", e);
        }
    }

    private void done(MicroBatcher<?>.Batch batch, long nanos) {
        lock.lock();
        try {
            running--;
            batch.done(nanos);
            if (running == 0) {
                // An idle device waits for no company: what was not due a moment ago may be now.
                changed.signal();
            }
        } finally {
            lock.unlock();
        }
    }
}
