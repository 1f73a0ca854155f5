package io.streamformer.batch;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Random;

/**
 * What the policy does to latency, without a model: texts that come at random times, run threads
 * whose runs take a fixed time and a time per padded token, results in the order of the texts. Not
 * a test; {@code main} prints p50, p99, batch fill and padding over the rate.
 */
final class PolicySimulation {

    private static final int THREADS = 2;
    private static final int SECONDS = 30;
    private static final int ROWS = 32;

    private final BatchPolicy<FakeRow> policy =
            new BatchPolicy<>(
                    new BatchLimits(ROWS, 4096, 512, Duration.ofMillis(3), Duration.ZERO));
    private final IdentityHashMap<FakeRow, Integer> numbers = new IdentityHashMap<>();
    private final List<List<FakeRow>> running = new ArrayList<>();
    private final long[] starts = new long[THREADS];
    private final long[] ends = new long[THREADS];
    private final double fixedNanos;
    private final double tokenNanos;
    private long batches;
    private long realTokens;
    private long paddedTokens;

    private PolicySimulation(double fixedNanos, double tokenNanos) {
        this.fixedNanos = fixedNanos;
        this.tokenNanos = tokenNanos;
        for (int i = 0; i < THREADS; i++) {
            running.add(List.of());
        }
    }

    /**
     * Simulates several rates.
     *
     * @param args milliseconds of a run by itself, microseconds of a padded token
     */
    public static void main(String[] args) {
        double fixed = Double.parseDouble(args[0]) * 1e6;
        double token = Double.parseDouble(args[1]) * 1e3;
        for (int rate = 400; rate <= 1600; rate += 200) {
            System.out.println(new PolicySimulation(fixed, token).run(rate));
        }
    }

    private String run(int rate) {
        Random random = new Random(1);
        int count = rate * SECONDS;
        FakeRow[] rows = new FakeRow[count];
        double arrival = 0;
        for (int i = 0; i < count; i++) {
            arrival -= Math.log(1 - random.nextDouble()) / rate * 1e9;
            int length = Math.max(3, Math.min(36, (int) (15 + 7 * random.nextGaussian())));
            rows[i] = new FakeRow(Integer.toString(i), length, (long) arrival);
            numbers.put(rows[i], i);
        }
        double[] millis = new double[count];
        int come = 0;
        int done = 0;
        long now = 0;
        while (done < count) {
            done += finish(now, millis);
            while (come < count && rows[come].arrivalNanos() <= now) {
                policy.add(rows[come++]);
            }
            long next = start(now);
            now = come < count ? Math.min(next, rows[come].arrivalNanos()) : next;
        }
        // A result leaves behind those of all earlier texts.
        double latest = 0;
        for (int i = 0; i < count; i++) {
            double came = rows[i].arrivalNanos() / 1e6;
            latest = Math.max(latest, came + millis[i]);
            millis[i] = latest - came;
        }
        Arrays.sort(millis);
        return String.format(
                Locale.ROOT,
                "%,5d/s  p50 %,7.1f ms  p99 %,7.1f ms  fill %3.0f %%  padding %2.0f %%",
                rate,
                millis[count / 2],
                millis[count * 99 / 100],
                100.0 * count / batches / ROWS,
                100.0 * (1 - (double) realTokens / paddedTokens));
    }

    /** Ends the runs whose time has come; says how many texts they answered. */
    private int finish(long now, double[] millis) {
        int done = 0;
        for (int thread = 0; thread < THREADS; thread++) {
            List<FakeRow> batch = running.get(thread);
            if (batch.isEmpty() || ends[thread] > now) {
                continue;
            }
            for (FakeRow row : batch) {
                millis[numbers.get(row)] = (ends[thread] - row.arrivalNanos()) / 1e6;
            }
            policy.ran(ends[thread] - starts[thread], batch.get(0).length() * batch.size());
            running.set(thread, List.of());
            done += batch.size();
        }
        return done;
    }

    /** Starts the runs that are due; gives the time at which something happens next. */
    private long start(long now) {
        long next = Long.MAX_VALUE;
        for (int thread = 0; thread < THREADS; thread++) {
            if (running.get(thread).isEmpty()) {
                boolean idle = running.stream().allMatch(List::isEmpty);
                long dueIn = policy.dueIn(now, idle);
                if (dueIn <= 0) {
                    start(thread, policy.next(), now);
                } else if (dueIn < Long.MAX_VALUE) {
                    next = Math.min(next, now + dueIn);
                }
            }
            if (!running.get(thread).isEmpty()) {
                next = Math.min(next, ends[thread]);
            }
        }
        return next;
    }

    private void start(int thread, List<FakeRow> batch, long now) {
        int padded = batch.get(0).length() * batch.size();
        running.set(thread, batch);
        starts[thread] = now;
        ends[thread] = now + (long) (fixedNanos + tokenNanos * padded);
        batches++;
        paddedTokens += padded;
        realTokens += batch.stream().mapToInt(FakeRow::length).sum();
    }
}
