package io.streamformer.batch;

import java.util.ArrayDeque;
import java.util.EnumMap;
import java.util.Map;

/** The waiting rows of one length: a queue per priority, each in order of arrival. */
final class LengthQueue<R extends BatchRow> {

    private final Map<Priority, ArrayDeque<R>> lanes = new EnumMap<>(Priority.class);
    private int size;

    void add(R row) {
        lanes.computeIfAbsent(row.priority(), unused -> new ArrayDeque<>()).addLast(row);
        size++;
    }

    int size() {
        return size;
    }

    int size(Priority priority) {
        ArrayDeque<R> lane = lanes.get(priority);
        return lane == null ? 0 : lane.size();
    }

    /** The row that goes first; null where none waits. */
    R peek() {
        ArrayDeque<R> lane = first();
        return lane == null ? null : lane.peekFirst();
    }

    /** Takes the row that goes first; null where none waits. */
    R poll() {
        ArrayDeque<R> lane = first();
        if (lane == null) {
            return null;
        }
        size--;
        return lane.pollFirst();
    }

    /** True where {@code one} goes before {@code other}. */
    static boolean before(BatchRow one, BatchRow other) {
        // Times of System.nanoTime are compared by their difference: they may overflow.
        return start(one) - start(other) < 0;
    }

    private static long start(BatchRow row) {
        return row.arrivalNanos() - row.priority().headStartNanos();
    }

    private ArrayDeque<R> first() {
        ArrayDeque<R> first = null;
        for (ArrayDeque<R> lane : lanes.values()) {
            if (!lane.isEmpty() && (first == null || before(lane.peekFirst(), first.peekFirst()))) {
                first = lane;
            }
        }
        return first;
    }
}
