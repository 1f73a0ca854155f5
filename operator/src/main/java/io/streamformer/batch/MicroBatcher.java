package io.streamformer.batch;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;

/**
 * The threads around a {@link BatchPolicy}: any number of threads add rows, and each run thread
 * takes the next batch when it is due and runs it. A batch that fails is run again in halves, until
 * the guilty row is alone.
 */
public final class MicroBatcher<R extends BatchRow> implements AutoCloseable {

    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private final BatchPolicy<R> policy;
    private final List<Thread> threads = new ArrayList<>();
    private int running;
    private int inFlight;
    private boolean closed;

    /**
     * Starts the run threads.
     *
     * @param name what the threads are called after
     * @param runners gives each run thread a runner of its own
     */
    public MicroBatcher(
            String name, BatchLimits limits, int runThreads, Supplier<BatchRunner<R>> runners) {
        if (runThreads < 1) {
            throw new IllegalArgumentException("runThreads is at least 1, seen " + runThreads);
        }
        policy = new BatchPolicy<>(limits);
        for (int i = 0; i < runThreads; i++) {
            BatchRunner<R> runner = runners.get();
            Thread thread = new Thread(() -> work(runner), "streamformer-" + name + "-" + i);
            thread.setDaemon(true);
            threads.add(thread);
        }
        threads.forEach(Thread::start);
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
            policy.add(row);
            // In between, a thread that waits knows the time at which the batch is due.
            if (policy.waiting() == 1 || policy.isFull()) {
                changed.signal();
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
        lock.lock();
        try {
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
                    // The session must not be closed under a run: that would end the process.
                    interrupted = true;
                }
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private void work(BatchRunner<R> runner) {
        for (List<R> batch = take(); !batch.isEmpty(); batch = take()) {
            long start = System.nanoTime();
            try {
                run(batch, runner);
            } finally {
                done(batch, System.nanoTime() - start);
            }
        }
        cancelRest(runner);
    }

    /** Waits for the next batch; empty once closed. */
    private List<R> take() {
        lock.lock();
        try {
            while (!closed) {
                long dueIn = policy.dueIn(System.nanoTime(), running == 0);
                if (dueIn <= 0) {
                    List<R> batch = policy.next();
                    if (!batch.isEmpty()) {
                        running++;
                        inFlight += batch.size();
                        // What is left is another thread's to look at: its own signal may be gone.
                        changed.signal();
                        return batch;
                    }
                } else if (dueIn == Long.MAX_VALUE) {
                    changed.awaitUninterruptibly();
                } else {
                    awaitNanos(dueIn);
                }
            }
            return List.of();
        } finally {
            lock.unlock();
        }
    }

    @SuppressWarnings("WaitNotInLoop") // the loop is the caller's
    private void awaitNanos(long nanos) {
        try {
            changed.awaitNanos(nanos);
        } catch (InterruptedException e) {
            // Nobody owns these threads but this class, and it closes them otherwise.
            throw new AssertionError("a run thread was interrupted: this is a bug", e);
        }
    }

    private void done(List<R> batch, long nanos) {
        lock.lock();
        try {
            running--;
            inFlight -= batch.size();
            policy.ran(nanos);
        } finally {
            lock.unlock();
        }
    }

    private void run(List<R> batch, BatchRunner<R> runner) {
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
            run(batch.subList(0, half), runner);
            run(batch.subList(half, batch.size()), runner);
        }
    }

    private void cancelRest(BatchRunner<R> runner) {
        List<R> rest = new ArrayList<>();
        lock.lock();
        try {
            for (List<R> batch = policy.next(); !batch.isEmpty(); batch = policy.next()) {
                rest.addAll(batch);
            }
        } finally {
            lock.unlock();
        }
        rest.forEach(row -> runner.fail(row, new CancellationException("the pipeline was closed")));
    }
}
