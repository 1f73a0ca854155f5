package io.streamformer.local.demo;

import io.streamformer.bundle.Task;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The events under way and what each still waits for; gives them back in the order they were sent.
 *
 * <p>It holds a bounded number of events and bytes: whoever sends more waits, so a file of any size
 * passes through.
 */
final class EventBook {

    private static final class Entry {
        final long number;
        final byte[] bytes;
        final long sentAtMillis;
        final Map<Task, Reply> replies = new EnumMap<>(Task.class);
        long answeredAtMillis;

        Entry(long number, byte[] bytes, long sentAtMillis) {
            this.number = number;
            this.bytes = bytes;
            this.sentAtMillis = sentAtMillis;
        }

        int size() {
            return bytes == null ? 0 : bytes.length;
        }
    }

    private final Set<Task> tasks;
    private final int maxEvents;
    private final long maxBytes;
    private final Map<String, Entry> open = new LinkedHashMap<>();
    private long openBytes;
    private long unexpected;

    /** A book that expects one outcome of each of the tasks per event. */
    EventBook(Set<Task> tasks, int maxEvents, long maxBytes) {
        this.tasks = tasks;
        this.maxEvents = maxEvents;
        this.maxBytes = maxBytes;
    }

    /** Notes an event that is about to be sent; waits while too much is under way. */
    synchronized void sending(long number, byte[] bytes, long sentAtMillis)
            throws InterruptedException {
        while (!open.isEmpty() && (open.size() >= maxEvents || openBytes >= maxBytes)) {
            wait();
        }
        Entry entry = new Entry(number, bytes, sentAtMillis);
        open.put(Long.toString(number), entry);
        openBytes += entry.size();
    }

    /**
     * Notes an outcome.
     *
     * @return the events that are now complete and have no open event before them
     */
    synchronized List<AnsweredEvent> answered(String id, Reply reply, long nowMillis) {
        Entry entry = open.get(id);
        if (entry == null || !add(entry, reply)) {
            unexpected++;
            return List.of();
        }
        if (entry.replies.size() == tasks.size()) {
            entry.answeredAtMillis = nowMillis;
        }
        List<AnsweredEvent> complete = new ArrayList<>();
        for (Iterator<Entry> entries = open.values().iterator(); entries.hasNext(); ) {
            Entry first = entries.next();
            if (first.replies.size() < tasks.size()) {
                break;
            }
            entries.remove();
            openBytes -= first.size();
            complete.add(
                    new AnsweredEvent(
                            first.number,
                            first.bytes,
                            first.replies,
                            first.answeredAtMillis - first.sentAtMillis));
        }
        if (!complete.isEmpty()) {
            notifyAll();
        }
        return complete;
    }

    private boolean add(Entry entry, Reply reply) {
        if (reply.task() != null) {
            return tasks.contains(reply.task())
                    && entry.replies.putIfAbsent(reply.task(), reply) == null;
        }
        if (!entry.replies.isEmpty()) {
            return false;
        }
        for (Task task : tasks) {
            entry.replies.put(task, reply);
        }
        return true;
    }

    /** Events that wait for an outcome. */
    synchronized int open() {
        return open.size();
    }

    /** Outcomes that nobody waited for: doubled ones. Anything but 0 is a bug. */
    synchronized long unexpected() {
        return unexpected;
    }
}
