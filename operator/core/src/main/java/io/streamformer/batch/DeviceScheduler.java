package io.streamformer.batch;

import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.apache.flink.annotation.Internal;

/**
 * The run threads of one kind of device, and the queues that they serve. Each thread belongs to one
 * device; a thread that is free runs the next batch of the queue that has had the least time.
 *
 * <p>Shares follow start-time fair queuing (Goyal, Vin, Cheng 1996): a queue is charged the time of
 * its runs. An idle queue rejoins at the current virtual time: it gains no credit and owes nothing
 * for earlier exclusive use.
 *
 * <p>A watch looks at the runs under way. It ends a run that takes longer than its queue allows.
 * Where the run does not end either, it replaces the thread and fails the queue.
 */
@Internal
public final class DeviceScheduler implements AutoCloseable {

    /** How long a run may still take after it was told to end. */
    static final Duration GRACE = Duration.ofSeconds(30);

    /** How long {@link #close} waits for each run thread. */
    private static final Duration PATIENCE = Duration.ofSeconds(5);

    private static final Duration WATCH_INTERVAL = Duration.ofMillis(100);

    /** One device: its threads wait and run apart from the threads of other devices. */
    private final class Place {
        private final String device;
        private final Condition changed = lock.newCondition();
        private final List<Worker> workers = new ArrayList<>();
        private int running;

        private Place(String device) {
            this.device = device;
        }

        /** Starts a thread; the caller holds the lock. */
        private void addWorker() {
            Worker worker = new Worker(this, name + "-" + device + "-" + workers.size());
            workers.add(worker);
            worker.thread.start();
        }
    }

    /** A run thread and what it runs. The lock guards all but the thread. */
    final class Worker {
        private final Place place;
        private final Thread thread;
        private MicroBatcher<?>.Batch batch;
        private List<? extends BatchRow> rows;
        private long startNanos;
        private boolean terminated;
        private boolean lost;

        private Worker(Place place, String name) {
            this.place = place;
            thread = RuntimeThreads.daemon(name, this::work);
        }

        private void work() {
            try {
                for (var next = take(this); next != null; next = take(this)) {
                    long start = System.nanoTime();
                    try {
                        next.run(this);
                    } finally {
                        done(this, System.nanoTime() - start);
                    }
                }
            } catch (Throwable e) {
                died(this, e);
            }
        }

        /** Starts the clock for a run; false where the watch has given this thread up. */
        boolean begin(List<? extends BatchRow> next) {
            lock.lock();
            try {
                rows = next;
                startNanos = System.nanoTime();
                terminated = false;
                return !lost;
            } finally {
                lock.unlock();
            }
        }

        /** True where the watch told the last run to end. */
        boolean terminated() {
            lock.lock();
            try {
                return terminated;
            } finally {
                lock.unlock();
            }
        }
    }

    private final String name;
    private final ReentrantLock lock = new ReentrantLock();
    private final Map<String, Place> places = new LinkedHashMap<>();
    private final List<MicroBatcher<?>> queues = new ArrayList<>();

    private final Thread watch;
    private final Condition watchEnds = lock.newCondition();
    private long served;
    private boolean closed;

    /**
     * A scheduler without run threads; they start with the queues that need them.
     *
     * @param name what the threads are called after
     */
    public DeviceScheduler(String name) {
        this.name = name;
        watch = RuntimeThreads.daemon(name + "-watch", this::watch);
        watch.start();
    }

    ReentrantLock lock() {
        return lock;
    }

    /** Wakes a thread of each of the devices; the caller holds the lock. */
    void wake(Iterable<String> devices) {
        for (String device : devices) {
            places.get(device).changed.signal();
        }
    }

    /**
     * Serves a queue from now on.
     *
     * @param runners how many batches of the queue may run at once on each device
     */
    void open(MicroBatcher<?> queue, Map<String, Integer> runners) {
        lock.lock();
        try {
            if (closed) {
                throw new IllegalStateException(
                        "a queue came to a closed scheduler: this is a bug");
            }
            runners.forEach(
                    (device, count) -> {
                        Place place = places.computeIfAbsent(device, Place::new);
                        while (place.workers.size() < count) {
                            place.addWorker();
                        }
                    });
            queues.add(queue);
        } finally {
            lock.unlock();
        }
    }

    /** Serves a queue no longer; the caller holds the lock. */
    void close(MicroBatcher<?> queue) {
        queues.remove(queue);
    }

    /** Tells the runs of a queue to end; the caller holds the lock. */
    void terminate(MicroBatcher<?> queue) {
        for (Worker worker : workers()) {
            if (worker.batch != null && worker.batch.queue() == queue) {
                worker.terminated = true;
                worker.batch.terminate();
            }
        }
    }

    /** How long the oldest run of a queue has taken so far; 0 for none. Holds the lock. */
    long oldestRunNanos(MicroBatcher<?> queue, long now) {
        long oldest = 0;
        for (Worker worker : workers()) {
            if (worker.batch != null && worker.batch.queue() == queue) {
                oldest = Math.max(oldest, now - worker.startNanos);
            }
        }
        return oldest;
    }

    /** Virtual time at which a queue starts that was empty; the caller holds the lock. */
    long served() {
        return served;
    }

    private List<Worker> workers() {
        return places.values().stream().flatMap(place -> place.workers.stream()).toList();
    }

    /**
     * Ends the run threads, once all queues are closed. A thread whose run hangs is left behind.
     */
    @Override
    public void close() {
        List<Worker> ending;
        lock.lock();
        try {
            if (!queues.isEmpty()) {
                throw new IllegalStateException(
                        "a scheduler is closed after its queues, but "
                                + queues.size()
                                + " are open: this is a bug");
            }
            closed = true;
            places.values().forEach(place -> place.changed.signalAll());
            watchEnds.signalAll();
            ending = workers();
        } finally {
            lock.unlock();
        }
        boolean interrupted = join(watch);
        for (Worker worker : ending) {
            interrupted |= join(worker.thread);
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /** Waits a while for the end of a thread; says whether the caller was interrupted. */
    private static boolean join(Thread thread) {
        boolean interrupted = false;
        long end = System.nanoTime() + PATIENCE.toNanos();
        for (long left = PATIENCE.toNanos();
                left > 0 && thread.isAlive();
                left = end - System.nanoTime()) {
            try {
                TimeUnit.NANOSECONDS.timedJoin(thread, left);
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        return interrupted;
    }

    /** Waits for the next batch; null once closed or given up. */
    private MicroBatcher<?>.Batch take(Worker worker) {
        Place place = worker.place;
        lock.lock();
        try {
            while (!closed && !worker.lost) {
                long now = System.nanoTime();
                long soonest = Long.MAX_VALUE;
                MicroBatcher<?> next = null;
                for (MicroBatcher<?> queue : queues) {
                    if (!queue.mayRun(place.device)) {
                        continue;
                    }
                    long dueIn = queue.dueIn(now, place.running == 0);
                    soonest = Math.min(soonest, dueIn);
                    if (dueIn <= 0 && (next == null || queue.used() - next.used() < 0)) {
                        next = queue;
                    }
                }
                if (next == null && soonest == Long.MAX_VALUE) {
                    place.changed.awaitUninterruptibly();
                    continue;
                }
                if (next == null) {
                    awaitNanos(place.changed, soonest);
                    continue;
                }
                served = next.used();
                MicroBatcher<?>.Batch taken = next.take(place.device);
                if (taken != null) {
                    place.running++;
                    worker.batch = taken;
                    worker.begin(taken.rows());
                    // What is left is another thread's to look at: its signal may be gone.
                    place.changed.signal();
                    return taken;
                }
            }
            return null;
        } finally {
            lock.unlock();
        }
    }

    @SuppressWarnings("WaitNotInLoop") // the loop is the caller's
    private static void awaitNanos(Condition condition, long nanos) {
        try {
            condition.awaitNanos(nanos);
        } catch (InterruptedException e) {
            // Nobody owns these threads but this class, and it ends them otherwise.
        }
    }

    private void done(Worker worker, long nanos) {
        lock.lock();
        try {
            worker.batch.done(nanos);
            worker.batch = null;
            if (worker.lost) {
                return;
            }
            Place place = worker.place;
            place.running--;
            if (place.running == 0) {
                // An idle device waits for no company: what was not due a moment ago may be now.
                place.changed.signal();
            }
        } finally {
            lock.unlock();
        }
    }

    private void watch() {
        lock.lock();
        try {
            while (!closed) {
                awaitNanos(watchEnds, WATCH_INTERVAL.toNanos());
                lock.unlock();
                try {
                    watch(System.nanoTime());
                } finally {
                    lock.lock();
                }
            }
        } finally {
            lock.unlock();
        }
    }

    /** Looks at the runs under way. */
    void watch(long now) {
        List<Runnable> afterwards = new ArrayList<>();
        lock.lock();
        try {
            for (Worker worker : workers()) {
                if (worker.batch != null) {
                    watch(worker, now, afterwards);
                }
            }
        } finally {
            lock.unlock();
        }
        // Answers go out without the lock: what depends on them may take its time.
        afterwards.forEach(Runnable::run);
    }

    private void watch(Worker worker, long now, List<Runnable> afterwards) {
        MicroBatcher<?>.Batch batch = worker.batch;
        List<? extends BatchRow> rows = worker.rows;
        long nanos = now - worker.startNanos;
        long limit = batch.queue().runTimeoutNanos();
        afterwards.add(() -> rows.forEach(row -> row.running(nanos)));
        if (nanos >= limit || rows.stream().allMatch(BatchRow::abandoned)) {
            worker.terminated = true;
            batch.terminate();
        }
        if (nanos >= limit + GRACE.toNanos()) {
            IllegalStateException hung =
                    new IllegalStateException(
                            "run hung: "
                                    + rows.size()
                                    + " texts have been with the model for "
                                    + TimeUnit.NANOSECONDS.toSeconds(nanos)
                                    + " s. The run was told to end after "
                                    + TimeUnit.NANOSECONDS.toSeconds(limit)
                                    + " s and did not. The model is loaded again; its old copy"
                                    + " stays in memory until the TaskManager is restarted.");
            replace(worker);
            afterwards.add(() -> batch.queue().breakDown(hung));
            afterwards.add(() -> batch.abort(hung));
        }
    }

    /** Starts another thread in the place of one that is lost; the caller holds the lock. */
    private void replace(Worker worker) {
        Place place = worker.place;
        worker.lost = true;
        place.workers.remove(worker);
        if (worker.batch != null) {
            place.running--;
        }
        if (!closed) {
            place.addWorker();
        }
    }

    /** A run thread ended by a failure that nobody expected: no queue of the device is trusted. */
    private void died(Worker worker, Throwable failure) {
        List<MicroBatcher<?>> affected;
        lock.lock();
        try {
            if (worker.lost) {
                return;
            }
            replace(worker);
            affected = queues.stream().filter(q -> q.uses(worker.place.device)).toList();
        } finally {
            lock.unlock();
        }
        IllegalStateException broken =
                new IllegalStateException("a run thread ended: " + failure, failure);
        affected.forEach(queue -> queue.breakDown(broken));
    }
}
