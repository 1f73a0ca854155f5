package io.streamformer.local.bench;

import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.HdrHistogram.Histogram;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Reads the results of an open loop on a thread of its own, and how late each is after the time at
 * which its event was to be sent.
 */
final class LatencyReader implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(LatencyReader.class);

    /** Header with the time at which an event was to be sent; results carry it through the job. */
    private static final String SCHEDULED = "streamformer-scheduled";

    private static final long UNKNOWN = Long.MAX_VALUE;

    /** The measured part of a load, by {@link System#nanoTime}; what comes before warms up. */
    record Window(long from, long to) {
        boolean contains(long nanos) {
            return nanos - from >= 0 && nanos - to < 0;
        }
    }

    private final KafkaConsumer<byte[], byte[]> consumer;
    private final String deadLetters;
    private final ExecutorService thread = Executors.newSingleThreadExecutor();
    private volatile long due;
    private Future<Long> inTime;

    LatencyReader(String bootstrapServers, JobTurn.Started started) {
        this.consumer = JobTurn.consumer(bootstrapServers, started.outcomes());
        this.deadLetters = started.deadLetters();
        consumer.seekToBeginning(consumer.assignment());
    }

    /** The header of an event that is to be sent at a time. */
    static Header header(long scheduled) {
        return new RecordHeader(
                SCHEDULED, ByteBuffer.allocate(Long.BYTES).putLong(scheduled).array());
    }

    /**
     * Begins to read the results of a load.
     *
     * @param micros takes the latencies of the events that were to be sent in the window
     */
    void start(Window window, Histogram micros) {
        due = UNKNOWN;
        inTime = thread.submit(() -> read(window, micros));
    }

    /** Says how many results there are to be once all events are sent. */
    void expect(long results) {
        due = results;
    }

    /** Whether no more results are read: all were, or it failed. */
    boolean isDone() {
        return inTime.isDone();
    }

    /** Throws what reading failed of. */
    void check() throws Exception {
        if (inTime.isDone()) {
            inTime();
        }
    }

    /** How many results could be read in the window; waits for all of them. */
    long inTime() throws Exception {
        try {
            return inTime.get();
        } catch (ExecutionException e) {
            throw e.getCause() instanceof Exception cause ? cause : e;
        }
    }

    private long read(Window window, Histogram micros) {
        long seen = 0;
        long count = 0;
        while (seen < due) {
            for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(100))) {
                long now = System.nanoTime();
                if (record.topic().equals(deadLetters)) {
                    throw new IllegalStateException(
                            "A text became a dead letter. Is a text of --texts unreadable?");
                }
                seen++;
                count += window.contains(now) ? 1 : 0;
                Header header = record.headers().lastHeader(SCHEDULED);
                long scheduled = ByteBuffer.wrap(header.value()).getLong();
                if (window.contains(scheduled)) {
                    micros.recordValue((now - scheduled) / 1_000);
                }
            }
        }
        return count;
    }

    @Override
    public void close() {
        // The consumer belongs to the thread that reads, and is closed behind it.
        consumer.wakeup();
        thread.execute(consumer::close);
        thread.shutdown();
        try {
            if (!thread.awaitTermination(5, TimeUnit.SECONDS)) {
                LOG.warn("The reader of the results did not end in time");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
