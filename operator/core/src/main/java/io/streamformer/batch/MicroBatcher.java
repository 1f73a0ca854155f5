package io.streamformer.batch;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.PriorityQueue;
import java.util.concurrent.CancellationException;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.IntFunction;

/**
 * The queue of one model: any number of threads add rows, and the run threads of its device take
 * the next batch when it is due and the model's turn has come. A batch that fails is run again in
 * halves, until the guilty row is alone. Where the device was at fault and not the row, it is tried
 * again after a while, each time a longer one.
 */
public final class MicroBatcher<R extends BatchRow> implements AutoCloseable {

    /** How often a row is tried again, and after how long the first time; then twice as long. */
    static final int RETRIES = 3;

    static final Duration FIRST_BACKOFF = Duration.ofMillis(100);

    /** A row that waits for another try. */
    private record Retry<R>(R row, long dueNanos) {}

    private final DeviceScheduler scheduler;
    private final ReentrantLock lock;
    private final Condition ended;
    private final BatchPolicy<R> policy;
    private final List<BatchRunner<R>> runners = new ArrayList<>();
    private final PriorityQueue<Retry<R>> retries =
            new PriorityQueue<>((a, b) -> Long.signum(a.dueNanos() - b.dueNanos()));
    private long used;
    private int inFlight;
    private boolean closed;

    /**
     * Opens the queue.
     *
     * @param scheduler the device's; it outlives the queue
     * @param runners gives each run thread, by its number, a runner of its own
     */
    public MicroBatcher(
            DeviceScheduler scheduler, BatchLimits limits, IntFunction<BatchRunner<R>> runners) {
        this.scheduler = scheduler;
        lock = scheduler.lock();
        ended = lock.newCondition();
        policy = new BatchPolicy<>(limits);
        for (int i = 0; i < scheduler.runThreads(); i++) {
            this.runners.add(runners.apply(i));
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
            enqueue(row);
            // In between, a thread that waits knows the time at which the batch is due.
            if (policy.waiting() == 1 || policy.isFull()) {
                scheduler.wake();
            }
        } finally {
            lock.unlock();
        }
    }

    /** Puts a row among those that wait; the caller holds the lock. */
    private void enqueue(R row) {
        if (policy.waiting() == 0 && inFlight == 0) {
            used = Math.max(used, scheduler.served());
        }
        policy.add(row);
    }

    /** Rows that wait for a run, or for another try. */
    public int waiting() {
        lock.lock();
        try {
            return policy.waiting() + retries.size();
        } finally {
            lock.unlock();
        }
    }

    /** The same of one priority. */
    public int waiting(Priority priority) {
        lock.lock();
        try {
            return policy.waiting(priority)
                    + (int) retries.stream().filter(r -> r.row().priority() == priority).count();
        } finally {
            lock.unlock();
        }
    }

    /** Tokens that a batch of the longest rows may cost, as far as runs have shown. */
    public int tokenCeiling() {
        lock.lock();
        try {
            return policy.tokenCeiling();
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
            retries.forEach(retry -> rest.add(retry.row()));
        } finally {
            lock.unlock();
        }
        for (R row : rest) {
            runners.get(0).fail(row, new CancellationException("the pipeline was closed"));
        }
    }

    /** As {@link BatchPolicy#dueIn}, rows to try again included; the caller holds the lock. */
    long dueIn(long now, boolean deviceIdle) {
        while (!retries.isEmpty() && retries.peek().dueNanos() - now <= 0) {
            enqueue(retries.poll().row());
        }
        long due = policy.dueIn(now, deviceIdle);
        return retries.isEmpty() ? due : Math.min(due, retries.peek().dueNanos() - now);
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
                failOrRetry(batch.get(0), failure, runner);
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

    private void failOrRetry(R row, Throwable failure, BatchRunner<R> runner) {
        int failed = row.failedAlone();
        if (failed > RETRIES || !runner.isTransient(failure)) {
            runner.fail(row, failure);
            return;
        }
        runner.onRetry(failure);
        lock.lock();
        try {
            if (!closed) {
                long backoff = FIRST_BACKOFF.toNanos() << (failed - 1);
                retries.add(new Retry<>(row, System.nanoTime() + backoff));
                scheduler.wake();
                return;
            }
        } finally {
            lock.unlock();
        }
        runner.fail(row, failure);
    }
}
