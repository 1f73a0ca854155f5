package io.streamformer.batch;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;

/**
 * The queue of one model: any number of threads add rows, and the run threads of its device take
 * the next batch when it is due and the model's turn has come. A batch that fails is run again in
 * halves, until the guilty row is alone.
 */
public final class MicroBatcher<R extends BatchRow> implements AutoCloseable {

    private final DeviceScheduler scheduler;
    private final ReentrantLock lock;
    private final Condition ended;
    private final BatchPolicy<R> policy;
    private final List<BatchRunner<R>> runners = new ArrayList<>();
    private long used;
    private int inFlight;
    private boolean closed;

    /**
     * Opens the queue.
     *
     * @param scheduler the device's; it outlives the queue
     * @param runners gives each run thread a runner of its own
     */
    public MicroBatcher(
            DeviceScheduler scheduler, BatchLimits limits, Supplier<BatchRunner<R>> runners) {
        this.scheduler = scheduler;
        lock = scheduler.lock();
        ended = lock.newCondition();
        policy = new BatchPolicy<>(limits);
        for (int i = 0; i < scheduler.runThreads(); i++) {
            this.runners.add(runners.get());
        }
        scheduler.open(this);
    }

    /** Queues a row. */
    public void add(R row) {
        lock.lock();
        try {
            if (closed) {
                throw new IllegalStateException(
                        "a row came to a closed batcher: keep the pipeline open until the last"
                                + " answer");
            }
            if (policy.waiting() == 0 && inFlight == 0) {
                used = Math.max(used, scheduler.served());
            }
            policy.add(row);
            // In between, a thread that waits knows the time at which the batch is due.
            if (policy.waiting() == 1 || policy.isFull()) {
                scheduler.wake();
            }
        } finally {
            lock.unlock();
        }
    }

    /** Rows that wait for a run. */
    public int waiting() {
        lock.lock();
        try {
            return policy.waiting();
        } finally {
            lock.unlock();
        }
    }

    /** Rows that are being run. */
    public int inFlight() {
        lock.lock();
        try {
            return inFlight;
        } finally {
            lock.unlock();
        }
    }

    /** Waits for the runs in flight; rows that still wait fail as cancelled. */
    @Override
    public void close() {
        List<R> rest = new ArrayList<>();
        lock.lock();
        try {
            closed = true;
            scheduler.close(this);
            while (inFlight > 0) {
                // The session must not be closed under a run: that would end the process.
                ended.awaitUninterruptibly();
            }
            for (List<R> batch = policy.next(); !batch.isEmpty(); batch = policy.next()) {
                rest.addAll(batch);
            }
        } finally {
            lock.unlock();
        }
        for (R row : rest) {
            runners.get(0).fail(row, new CancellationException("the pipeline was closed"));
        }
    }

    /** As {@link BatchPolicy#dueIn}; the caller holds the lock. */
    long dueIn(long now, boolean deviceIdle) {
        return policy.dueIn(now, deviceIdle);
    }

    /** The device's time that this queue has had; the caller holds the lock. */
    long used() {
        return used;
    }

    /** The next batch, charged what a run takes; null where no row waits. Holds the lock. */
    Batch take() {
        List<R> rows = policy.next();
        if (rows.isEmpty()) {
            return null;
        }
        inFlight += rows.size();
        return new Batch(rows, policy.expectedNanos());
    }

    /** Rows on their way through one run thread. */
    final class Batch {
        private final List<R> rows;
        private final long charged;

        private Batch(List<R> rows, long charged) {
            this.rows = rows;
            this.charged = charged;
            used += charged;
        }

        void run(int thread) {
            runOrSplit(rows, runners.get(thread));
        }

        /** Charges what the run took in earnest; the caller holds the lock. */
        void done(long nanos) {
            used += nanos - charged;
            inFlight -= rows.size();
            policy.ran(nanos, rows.get(0).length() * rows.size());
            if (inFlight == 0) {
                ended.signalAll();
            }
        }
    }

    private void runOrSplit(List<R> batch, BatchRunner<R> runner) {
        try {
            runner.run(batch);
        } catch (Throwable failure) {
            boolean outOfMemory = runner.isOutOfMemory(failure);
            if (batch.size() == 1) {
                runner.fail(batch.get(0), failure);
                return;
            }
            if (outOfMemory) {
                lock.lock();
                try {
                    policy.outOfMemory(batch.get(0).length(), batch.size());
                } finally {
                    lock.unlock();
                }
            }
            runner.onSplit(failure);
            int half = batch.size() / 2;
            runOrSplit(batch.subList(0, half), runner);
            runOrSplit(batch.subList(half, batch.size()), runner);
        }
    }
}
