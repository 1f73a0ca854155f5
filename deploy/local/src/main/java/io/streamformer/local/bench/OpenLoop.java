package io.streamformer.local.bench;

import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Supplier;
import org.HdrHistogram.Histogram;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Events at their own times, whatever becomes of the answers: no event waits for an earlier one,
 * and a late one is late in its latency too.
 */
final class OpenLoop implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(OpenLoop.class);

    /** Header with the time at which an event was to be sent; results carry it through the job. */
    private static final String SCHEDULED = "streamformer-scheduled";

    private static final long UNKNOWN = Long.MAX_VALUE;

    /** The measured part of a load, by {@link System#nanoTime}; what comes before warms up. */
    private record Window(long from, long to) {
        boolean contains(long nanos) {
            return nanos - from >= 0 && nanos - to < 0;
        }
    }

    private final JobTurn.Started started;
    private final Supplier<DeviceWork> work;
    private final EventSender sender;
    private final KafkaConsumer<byte[], byte[]> consumer;
    private final ExecutorService reading = Executors.newSingleThreadExecutor();

    /**
     * An open loop around a job that runs.
     *
     * @param events the topic that the job reads
     * @param work what the job's sessions have done so far
     */
    OpenLoop(
            String bootstrapServers,
            String events,
            JobTurn.Started started,
            Supplier<DeviceWork> work) {
        this.started = started;
        this.work = work;
        this.sender = new EventSender(bootstrapServers, events);
        this.consumer = JobTurn.consumer(bootstrapServers, started.outcomes());
        consumer.seekToBeginning(consumer.assignment());
    }

    /**
     * Sends events for some time and waits for all of their results.
     *
     * @param load what the rate is called in the result
     * @param exactlyOnce whether results wait for a checkpoint
     */
    LoadPoint run(
            double load, boolean exactlyOnce, double perSecond, int seconds, Iterator<String> texts)
            throws Exception {
        long start = System.nanoTime();
        long from = start + TimeUnit.SECONDS.toNanos(Math.max(1, seconds / 10));
        Window window = new Window(from, from + TimeUnit.SECONDS.toNanos(seconds));
        Histogram micros = new Histogram(3);
        AtomicLong due = new AtomicLong(UNKNOWN);
        Future<Long> answers = reading.submit(() -> read(window, due, micros));
        Arrivals arrivals = new Arrivals(perSecond);
        DeviceWork before = null;
        long sent = 0;
        long measured = 0;
        for (long at = start + arrivals.next();
                at - window.to() < 0;
                at = start + arrivals.next()) {
            sleepUntil(at);
            if (before == null && window.contains(at)) {
                before = work.get();
            }
            sender.send(texts.next(), List.of(header(at)));
            sent++;
            measured += window.contains(at) ? 1 : 0;
            checkAlive(answers);
        }
        sleepUntil(window.to());
        DeviceWork after = work.get();
        sender.flush();
        due.set(sent);
        while (!answers.isDone()) {
            checkAlive(answers);
            TimeUnit.MILLISECONDS.sleep(20);
        }
        return LoadPoint.of(
                load,
                exactlyOnce,
                (double) measured / seconds,
                (double) answers.get() / seconds,
                micros,
                before == null ? DeviceWork.NONE : after.since(before));
    }

    /** Reads until all outcomes are there; gives how many could be read in the window. */
    private long read(Window window, AtomicLong due, Histogram micros) {
        long seen = 0;
        long inTime = 0;
        while (seen < due.get()) {
            for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(100))) {
                long now = System.nanoTime();
                if (record.topic().equals(started.deadLetters())) {
                    throw new IllegalStateException(
                            "Each text has a result, seen a dead letter: is a text of --texts"
                                    + " unreadable?");
                }
                seen++;
                inTime += window.contains(now) ? 1 : 0;
                Header header = record.headers().lastHeader(SCHEDULED);
                long scheduled = ByteBuffer.wrap(header.value()).getLong();
                if (window.contains(scheduled)) {
                    micros.recordValue((now - scheduled) / 1_000);
                }
            }
        }
        return inTime;
    }

    private void checkAlive(Future<Long> answers) throws Exception {
        if (started.job().hasEnded()) {
            started.job().awaitEnd();
        }
        if (answers.isDone()) {
            try {
                answers.get();
            } catch (ExecutionException e) {
                throw e.getCause() instanceof Exception cause ? cause : e;
            }
        }
    }

    private static Header header(long scheduled) {
        return new RecordHeader(
                SCHEDULED, ByteBuffer.allocate(Long.BYTES).putLong(scheduled).array());
    }

    private static void sleepUntil(long nanos) throws InterruptedException {
        for (long left = nanos - System.nanoTime(); left > 0; left = nanos - System.nanoTime()) {
            LockSupport.parkNanos(left);
            if (Thread.interrupted()) {
                throw new InterruptedException();
            }
        }
    }

    @Override
    public void close() {
        // The consumer belongs to the thread that reads, and is closed behind it.
        consumer.wakeup();
        reading.execute(consumer::close);
        reading.shutdown();
        sender.close();
        try {
            if (!reading.awaitTermination(5, TimeUnit.SECONDS)) {
                LOG.warn("The reader of the results did not end in time");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
