package io.streamformer.batch;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;

/**
 * How many rows a batcher moves, with a model that costs nothing: the ceiling of what one device
 * can be fed. Each producer has as many rows under way as a subtask of a job may have, and a reader
 * of metrics looks on.
 *
 * <pre>java -cp operator/core/target/classes:operator/core/target/test-classes
 *     io.streamformer.batch.BatcherBench [producers] [run threads] [seconds]</pre>
 */
final class BatcherBench {

    private static final int ROUNDS = 5;
    private static final int UNDER_WAY = 1024;

    /** A producer whose rows are all under way looks again after this. */
    private static final long PAUSE_NANOS = 50_000;

    private static final BatchLimits LIMITS =
            new BatchLimits(32, 4096, 512, Duration.ofMillis(3), Duration.ZERO);

    private BatcherBench() {}

    /** Answers at once: its sender may send another. */
    private static final class Free implements BatchRunner<Row> {
        @Override
        public void run(List<Row> rows) {
            for (Row row : rows) {
                row.answered().incrementAndGet();
            }
        }

        @Override
        public void fail(Row row, Throwable failure) {
            row.answered().incrementAndGet();
        }

        @Override
        public void terminate() {}

        @Override
        public void abort(Row row, Throwable failure) {
            row.answered().incrementAndGet();
        }

        @Override
        public boolean isTransient(Throwable failure) {
            return false;
        }

        @Override
        public boolean isOutOfMemory(Throwable failure) {
            return false;
        }

        @Override
        public void onSplit(Throwable failure) {}

        @Override
        public void onRetry(Throwable failure) {}
    }

    private record Row(int length, long arrivalNanos, AtomicLong answered) implements BatchRow {
        @Override
        public Priority priority() {
            return Priority.NORMAL;
        }

        @Override
        public int failedAlone() {
            return 1;
        }

        @Override
        public boolean abandoned() {
            return false;
        }
    }

    public static void main(String[] args) throws InterruptedException {
        int producers = args.length > 0 ? Integer.parseInt(args[0]) : 16;
        int runThreads = args.length > 1 ? Integer.parseInt(args[1]) : 1;
        long seconds = args.length > 2 ? Long.parseLong(args[2]) : 3;
        double[] rates = new double[ROUNDS];
        for (int i = 0; i < ROUNDS; i++) {
            rates[i] = rate(producers, runThreads, seconds);
            System.out.printf("round %d: %,.0f rows/s%n", i + 1, rates[i]);
        }
        Arrays.sort(rates);
        System.out.printf(
                "%d producers, %d run threads, %d cores: median %,.0f rows/s%n",
                producers,
                runThreads,
                Runtime.getRuntime().availableProcessors(),
                rates[ROUNDS / 2]);
    }

    private static double rate(int producers, int runThreads, long seconds)
            throws InterruptedException {
        long[] sent = new long[producers];
        List<Thread> threads = new ArrayList<>();
        long start = System.nanoTime();
        long end = start + Duration.ofSeconds(seconds).toNanos();
        try (DeviceScheduler scheduler = new DeviceScheduler("bench");
                MicroBatcher<Row> batcher =
                        new MicroBatcher<>(
                                scheduler,
                                LIMITS,
                                Duration.ofMinutes(5),
                                Collections.nCopies(runThreads, "cpu"),
                                thread -> new Free())) {
            for (int p = 0; p < producers; p++) {
                int producer = p;
                threads.add(
                        new Thread(
                                () -> {
                                    AtomicLong answered = new AtomicLong();
                                    long count = 0;
                                    for (long now = start; now < end; now = System.nanoTime()) {
                                        while (count - answered.get() >= UNDER_WAY) {
                                            LockSupport.parkNanos(PAUSE_NANOS);
                                        }
                                        int length = 5 + (int) (count * 31 % 60);
                                        batcher.add(new Row(length, now, answered));
                                        count++;
                                    }
                                    while (count > answered.get()) {
                                        LockSupport.parkNanos(PAUSE_NANOS);
                                    }
                                    sent[producer] = count;
                                }));
            }
            threads.forEach(Thread::start);
            while (System.nanoTime() < end) {
                Thread.sleep(10);
                if (batcher.waiting() < 0 || batcher.inFlight() < 0 || batcher.tokenCeiling() < 0) {
                    throw new AssertionError("a count is negative");
                }
            }
            for (Thread thread : threads) {
                thread.join();
            }
        }
        return Arrays.stream(sent).sum() / ((System.nanoTime() - start) / 1e9);
    }
}
