package io.streamformer.batch;

import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.IntFunction;
import org.apache.flink.annotation.Internal;

/**
 * The queue of one model: any number of threads add rows, and the run threads of its device take
 * the next batch when it is due and the model's turn has come. A batch that fails is run again in
 * halves, until the guilty row is alone. Where the device was at fault and not the row, it is tried
 * again after a while, each time a longer one.
 */
@Internal
public final class MicroBatcher<R extends BatchRow> implements AutoCloseable {

    /** How often a row is tried again, and after how long the first time; then twice as long. */
    static final int RETRIES = 3;

    static final Duration FIRST_BACKOFF = Duration.ofMillis(100);

    /** A row that waits for another try. */
    private record Retry<R>(R row, long dueNanos) {}

    /**
     * How long {@link #close} waits for the runs in flight, and again once they are told to end.
     */
    private static final Duration PATIENCE = Duration.ofSeconds(20);

    /** A runner and the device that it runs on. */
    private record Lane<R extends BatchRow>(String device, BatchRunner<R> runner) {}

    private final DeviceScheduler scheduler;
    private final ReentrantLock lock;
    private final Condition ended;
    private final BatchPolicy<R> policy;
    private final long runTimeoutNanos;
    private final Set<String> devices;
    private final BatchRunner<R> anyRunner;

    /** Runners that run nothing at the moment. */
    private final List<Lane<R>> idle = new ArrayList<>();

    private final PriorityQueue<Retry<R>> retries =
            new PriorityQueue<>((a, b) -> Long.signum(a.dueNanos() - b.dueNanos()));
    private long used;
    private int inFlight;
    private boolean closed;
    private volatile RuntimeException failure;

    /**
     * Opens the queue.
     *
     * @param scheduler the devices'; it outlives the queue
     * @param runTimeout longest time that a run may take before it is told to end
     * @param devices the device of each runner; one that comes twice runs two batches at once
     * @param runners gives each of the devices, by its place in the list, a runner of its own
     */
    public MicroBatcher(
            DeviceScheduler scheduler,
            BatchLimits limits,
            Duration runTimeout,
            List<String> devices,
            IntFunction<BatchRunner<R>> runners) {
        this.scheduler = scheduler;
        lock = scheduler.lock();
        ended = lock.newCondition();
        policy = new BatchPolicy<>(limits);
        runTimeoutNanos = runTimeout.toNanos();
        Map<String, Integer> counts = new LinkedHashMap<>();
        for (int i = 0; i < devices.size(); i++) {
            idle.add(new Lane<>(devices.get(i), runners.apply(i)));
            counts.merge(devices.get(i), 1, Integer::sum);
        }
        this.devices = counts.keySet();
        anyRunner = idle.get(0).runner();
        scheduler.open(this, counts);
    }

    /**
     * Queues a row.
     *
     * @throws IllegalStateException if the batcher is closed, or a run of it hung
     */
    public void add(R row) {
        lock.lock();
        try {
            if (failure != null) {
                throw new IllegalStateException(failure.getMessage(), failure);
            }
            if (closed) {
                throw new IllegalStateException(
                        "a row came to a closed batcher: keep the pipeline open until the last"
                                + " answer");
            }
            enqueue(row);
            // In between, a thread that waits knows the time at which the batch is due.
            if (policy.waiting() == 1 || policy.isFull()) {
                scheduler.wake(devices);
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

    /** How long the oldest run has taken so far; 0 for none. */
    public long oldestRunNanos() {
        lock.lock();
        try {
            return scheduler.oldestRunNanos(this, System.nanoTime());
        } finally {
            lock.unlock();
        }
    }

    /** Why the batcher takes no rows any more, such as a run that hung; null while it does. */
    public RuntimeException failure() {
        return failure;
    }

    /**
     * Fails the rows that wait as cancelled and waits for the runs in flight, for a while. Runs
     * that do not end are told to, and given up after another while; then {@link #inFlight} says
     * that a run still uses its model.
     */
    @Override
    public void close() {
        close(PATIENCE);
    }

    void close(Duration patience) {
        lock.lock();
        try {
            scheduler.close(this);
            closed = true;
        } finally {
            lock.unlock();
        }
        abortWaiting(new CancellationException("the pipeline was closed"));
        lock.lock();
        try {
            if (!awaitRuns(patience)) {
                scheduler.terminate(this);
                awaitRuns(patience);
            }
        } finally {
            lock.unlock();
        }
    }

    /** Waits until no run is in flight; false where one still is. The caller holds the lock. */
    private boolean awaitRuns(Duration patience) {
        boolean interrupted = false;
        long end = System.nanoTime() + patience.toNanos();
        for (long left = patience.toNanos();
                inFlight > 0 && left > 0;
                left = end - System.nanoTime()) {
            try {
                ended.awaitNanos(left);
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        return inFlight == 0;
    }

    /** Takes no rows any more and fails those that wait. */
    void breakDown(RuntimeException cause) {
        lock.lock();
        try {
            scheduler.close(this);
            failure = cause;
            closed = true;
        } finally {
            lock.unlock();
        }
        abortWaiting(cause);
    }

    private void abortWaiting(RuntimeException cause) {
        List<R> rest = new ArrayList<>();
        lock.lock();
        try {
            for (List<R> batch = policy.next(); !batch.isEmpty(); batch = policy.next()) {
                rest.addAll(batch);
            }
            retries.forEach(retry -> rest.add(retry.row()));
            retries.clear();
        } finally {
            lock.unlock();
        }
        rest.forEach(row -> anyRunner.abort(row, cause));
    }

    long runTimeoutNanos() {
        return runTimeoutNanos;
    }

    boolean uses(String device) {
        return devices.contains(device);
    }

    /** True where a runner of the device is idle; the caller holds the lock. */
    boolean mayRun(String device) {
        for (Lane<R> lane : idle) {
            if (lane.device().equals(device)) {
                return true;
            }
        }
        return false;
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
    Batch take(String device) {
        List<R> rows = policy.next();
        if (rows.isEmpty()) {
            return null;
        }
        inFlight += rows.size();
        // The runner that ran last: its memory is the warmest.
        for (int i = idle.size() - 1; ; i--) {
            if (idle.get(i).device().equals(device)) {
                return new Batch(rows, idle.remove(i), policy.expectedNanos());
            }
        }
    }

    /** Rows on their way through one run thread. */
    final class Batch {
        private final List<R> rows;
        private final Lane<R> lane;
        private final long charged;
        private boolean fitted;

        private Batch(List<R> rows, Lane<R> lane, long charged) {
            this.rows = rows;
            this.lane = lane;
            this.charged = charged;
            used += charged;
        }

        MicroBatcher<R> queue() {
            return MicroBatcher.this;
        }

        List<R> rows() {
            return rows;
        }

        /** Runs and answers the rows; a failure of the answering itself fails all of them. */
        void run(DeviceScheduler.Worker worker) {
            try {
                fitted = runOrSplit(rows, lane.runner(), worker);
            } catch (Throwable e) {
                abort(e);
            }
        }

        void terminate() {
            lane.runner().terminate();
        }

        void abort(Throwable cause) {
            rows.forEach(row -> lane.runner().abort(row, cause));
        }

        /** Charges what the run took in earnest; the caller holds the lock. */
        void done(long nanos) {
            used += nanos - charged;
            inFlight -= rows.size();
            idle.add(lane);
            policy.ran(nanos, rows.get(0).length() * rows.size());
            if (fitted) {
                policy.fitted(rows.get(0).length(), rows.size());
            }
            if (inFlight == 0) {
                ended.signalAll();
            }
        }
    }

    /** Runs rows and answers them; false where they did not run as one batch. */
    private boolean runOrSplit(List<R> rows, BatchRunner<R> runner, DeviceScheduler.Worker worker) {
        try {
            runner.run(rows);
            return true;
        } catch (Throwable e) {
            boolean late = worker.terminated();
            Throwable cause = late ? late(e) : e;
            if (rows.size() == 1) {
                if (worker.begin(rows)) {
                    failOrRetry(rows.get(0), cause, runner);
                }
                return false;
            }
            if (!late && runner.isOutOfMemory(cause)) {
                lock.lock();
                try {
                    policy.outOfMemory(rows.get(0).length(), rows.size());
                } finally {
                    lock.unlock();
                }
            }
            runner.onSplit(cause);
            int half = rows.size() / 2;
            runHalf(rows.subList(0, half), runner, worker);
            runHalf(rows.subList(half, rows.size()), runner, worker);
            return false;
        }
    }

    private void runHalf(List<R> half, BatchRunner<R> runner, DeviceScheduler.Worker worker) {
        List<R> rows = half.stream().filter(row -> !row.abandoned()).toList();
        if (!rows.isEmpty() && worker.begin(rows)) {
            var unused = runOrSplit(rows, runner, worker);
        }
    }

    private TimeoutException late(Throwable cause) {
        TimeoutException late =
                new TimeoutException(
                        "the run took longer than "
                                + TimeUnit.NANOSECONDS.toSeconds(runTimeoutNanos)
                                + " s and was ended");
        late.initCause(cause);
        return late;
    }

    private void failOrRetry(R row, Throwable cause, BatchRunner<R> runner) {
        int failed = row.failedAlone();
        if (failed > RETRIES || !runner.isTransient(cause)) {
            runner.fail(row, cause);
            return;
        }
        runner.onRetry(cause);
        lock.lock();
        try {
            if (!closed) {
                long backoff = FIRST_BACKOFF.toNanos() << (failed - 1);
                retries.add(new Retry<>(row, System.nanoTime() + backoff));
                scheduler.wake(devices);
                return;
            }
        } finally {
            lock.unlock();
        }
        runner.fail(row, cause);
    }
}
