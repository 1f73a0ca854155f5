package io.streamformer.batch;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Comparator;
import java.util.List;

/**
 * The waiting rows and the decision which of them make the next batch. Plain data: no locks, no
 * threads, and the time is passed in.
 *
 * <p>Rows wait in one queue per length, so that the pool is sorted by length without ever being
 * sorted. A batch is the stretch of that order around the row that waits longest: it grows to the
 * side that adds the least padding until it is full or its padding costs more than another run
 * would. Each batch holds the oldest row, so no row is passed over for good. How old a row is
 * counts its priority's head start in.
 *
 * <p>How many padded tokens a batch may have is learned: from runs that did not fit into memory,
 * for each power of two of the length, and from the time that runs take ({@link RunCost}).
 */
final class BatchPolicy<R extends BatchRow> {

    // A row that came to a busy device waits at most this share of a run's time: with a long run it
    // costs little to wait for company, with a short one there is nothing to gain.
    private static final int DELAY_SHARE = 4;

    private static final Comparator<BatchRow> LONGEST_FIRST =
            Comparator.comparingInt(BatchRow::length).reversed();

    private final BatchLimits limits;
    private final List<LengthQueue<R>> byLength;
    private final BitSet lengths;
    private int waiting;

    /** Good runs after which a learned ceiling is put to the test; doubles with each failure. */
    private static final int FIRST_PATIENCE = 256;

    private static final int MOST_PATIENCE = 1 << 16;

    /** Padded tokens that fit into memory, by the power of two below the longest row. */
    private final int[] memoryCeilings = new int[Integer.SIZE];

    /** The largest batch that fitted, in padded tokens, by the same. */
    private final int[] fitted = new int[Integer.SIZE];

    /** Runs that fitted and were as large as the ceiling allows, by the same. */
    private final int[] heldBack = new int[Integer.SIZE];

    private int patience = FIRST_PATIENCE / 2;

    private final RunCost cost = new RunCost();

    BatchPolicy(BatchLimits limits) {
        this.limits = limits;
        Arrays.fill(memoryCeilings, limits.maxTokens());
        this.byLength = new ArrayList<>(limits.maxLength() + 1);
        for (int i = 0; i <= limits.maxLength(); i++) {
            byLength.add(null);
        }
        this.lengths = new BitSet(limits.maxLength() + 1);
    }

    void add(R row) {
        int length = row.length();
        if (length < 1 || length > limits.maxLength()) {
            throw new IllegalArgumentException(
                    "A row has 1 to " + limits.maxLength() + " tokens, but this one has " + length);
        }
        LengthQueue<R> queue = byLength.get(length);
        if (queue == null) {
            queue = new LengthQueue<>();
            byLength.set(length, queue);
        }
        queue.add(row);
        lengths.set(length);
        waiting++;
    }

    /** Rows that wait, abandoned ones that were not met yet among them. */
    int waiting() {
        return waiting;
    }

    /** The same of one priority. */
    int waiting(Priority priority) {
        return lengths.stream().map(length -> byLength.get(length).size(priority)).sum();
    }

    /** True where the waiting rows are enough for a batch. */
    boolean isFull() {
        return waiting >= limits.maxRows();
    }

    /** Padded tokens that a batch with this longest row may have, as far as runs have shown. */
    int tokenCeiling(int longest) {
        int memory = memoryCeilings[group(longest)];
        long time = limits.maxTime().toNanos();
        return time == 0 ? memory : Math.min(memory, cost.tokensWithin(time));
    }

    /** The same for the longest rows that can come. */
    int tokenCeiling() {
        return tokenCeiling(limits.maxLength());
    }

    /** Remembers that a batch of this shape did not fit into the device's memory. */
    void outOfMemory(int longest, int rows) {
        int group = group(longest);
        int tokens = longest * rows;
        if (fitted[group] >= tokens) {
            // It did fit once, so there is less memory now.
            fitted[group] = 0;
        }
        int fits = Math.max(1, Math.max(tokens / 2, fitted[group]));
        // Attention needs more for a longer row, so what does not fit here fits nowhere above.
        for (int i = group; i < memoryCeilings.length; i++) {
            memoryCeilings[i] = Math.min(memoryCeilings[i], fits);
            heldBack[i] = 0;
        }
        patience = Math.min(MOST_PATIENCE, patience * 2);
    }

    /**
     * Remembers that a batch of this shape fitted into the device's memory. A ceiling that held
     * back many batches rises by a quarter: memory that others used may be free again.
     */
    void fitted(int longest, int rows) {
        int group = group(longest);
        int ceiling = memoryCeilings[group];
        if (ceiling == limits.maxTokens()) {
            return;
        }
        fitted[group] = Math.max(fitted[group], longest * rows);
        if (longest * (rows + 1L) > ceiling && ++heldBack[group] >= patience) {
            heldBack[group] = 0;
            long higher = Math.max(ceiling * 5L / 4, ceiling + (long) longest);
            memoryCeilings[group] = (int) Math.min(limits.maxTokens(), higher);
        }
    }

    /**
     * Remembers how long a run took.
     *
     * @param tokens its padded tokens
     */
    void ran(long nanos, int tokens) {
        cost.ran(nanos, tokens);
    }

    /** What a run takes, as far as runs have shown; 0 before the first. */
    long expectedNanos() {
        return cost.nanos();
    }

    private static int group(int length) {
        return Integer.SIZE - 1 - Integer.numberOfLeadingZeros(length);
    }

    /**
     * Nanoseconds until a batch is due: 0 or less for now, {@link Long#MAX_VALUE} where no row
     * waits.
     *
     * @param deviceIdle whether no other batch is being run
     */
    long dueIn(long now, boolean deviceIdle) {
        if (isFull() || (deviceIdle && waiting > 0)) {
            return 0;
        }
        R oldest = oldest();
        if (oldest == null) {
            return Long.MAX_VALUE;
        }
        long delay = Math.min(limits.maxDelay().toNanos(), cost.nanos() / DELAY_SHARE);
        return oldest.arrivalNanos() + delay - now;
    }

    /** Takes the next batch, from its longest row to its shortest; empty where no row waits. */
    List<R> next() {
        R oldest = oldest();
        if (oldest == null) {
            return List.of();
        }
        List<R> batch = new ArrayList<>(Math.min(waiting, limits.maxRows()));
        int shortest = oldest.length();
        int longest = shortest;
        // The oldest row is served even where a learned ceiling is below its own length.
        int tokens = shortest * take(shortest, Math.max(1, capacity(longest)), batch);
        while (true) {
            int length = nextLength(shortest, longest, batch.size());
            int most = length < 0 ? 0 : worthTaking(length, longest, batch.size(), tokens);
            if (most == 0) {
                batch.sort(LONGEST_FIRST);
                return batch;
            }
            int taken = take(length, most, batch);
            tokens += taken * length;
            if (taken > 0) {
                shortest = Math.min(shortest, length);
                longest = Math.max(longest, length);
            }
        }
    }

    /**
     * Rows of a length to add to a batch: as many as fit while all of its padding costs no more
     * than the run that it saves.
     */
    private int worthTaking(int length, int longest, int rows, int tokens) {
        int padded = Math.max(longest, length);
        int take = Math.min(capacity(padded) - rows, byLength.get(length).size());
        while (take > 0 && padded * (rows + take) - (tokens + take * length) > cost.fixedTokens()) {
            take--;
        }
        return take;
    }

    /** The neighbouring length that adds the least padding; -1 where no further row fits. */
    private int nextLength(int shortest, int longest, int rows) {
        int below = lengths.previousSetBit(shortest - 1);
        int above = lengths.nextSetBit(longest + 1);
        boolean takeBelow = below >= 0 && rows < capacity(longest);
        boolean takeAbove = above >= 0 && rows < capacity(above);
        if (takeBelow && takeAbove) {
            int paddingBelow = longest - below;
            long paddingAbove = (long) (above - longest) * rows;
            return paddingBelow <= paddingAbove ? below : above;
        }
        return takeBelow ? below : takeAbove ? above : -1;
    }

    /** Rows that a batch may have whose longest row is this long. */
    private int capacity(int longest) {
        return Math.min(limits.maxRows(), tokenCeiling(longest) / longest);
    }

    /** Moves the first rows of a length that somebody still waits for; says how many there were. */
    private int take(int length, int most, List<R> batch) {
        LengthQueue<R> queue = byLength.get(length);
        int taken = 0;
        while (taken < most && queue.size() > 0) {
            R row = queue.poll();
            waiting--;
            if (!row.abandoned()) {
                batch.add(row);
                taken++;
            }
        }
        if (queue.size() == 0) {
            lengths.clear(length);
        }
        return taken;
    }

    /** The row that waits longest: each queue is in order of arrival, so it heads one of them. */
    private R oldest() {
        R oldest = null;
        for (int length = lengths.nextSetBit(0);
                length >= 0;
                length = lengths.nextSetBit(length + 1)) {
            R head = firstWaiting(length);
            if (head != null && (oldest == null || LengthQueue.before(head, oldest))) {
                oldest = head;
            }
        }
        return oldest;
    }

    /** The first row of a length after abandoned ones were dropped; null where none is left. */
    private R firstWaiting(int length) {
        LengthQueue<R> queue = byLength.get(length);
        R head = queue.peek();
        while (head != null && head.abandoned()) {
            queue.poll();
            waiting--;
            head = queue.peek();
        }
        if (head == null) {
            lengths.clear(length);
        }
        return head;
    }
}
