package io.streamformer.local.bench;

import java.util.Iterator;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Supplier;
import org.HdrHistogram.Histogram;

/**
 * Events at their own times, whatever becomes of the answers: no event waits for an earlier one,
 * and a late one is late in its latency too.
 */
final class OpenLoop implements AutoCloseable {

    private final JobTurn.Started started;
    private final Supplier<DeviceWork> work;
    private final EventSender sender;
    private final LatencyReader reader;

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
        this.reader = new LatencyReader(bootstrapServers, started);
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
        LatencyReader.Window window =
                new LatencyReader.Window(from, from + TimeUnit.SECONDS.toNanos(seconds));
        Histogram micros = new Histogram(3);
        reader.start(window, micros);
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
            sender.send(texts.next(), List.of(LatencyReader.header(at)));
            sent++;
            measured += window.contains(at) ? 1 : 0;
            check();
        }
        sleepUntil(window.to());
        DeviceWork after = work.get();
        sender.flush();
        reader.expect(sent);
        while (!reader.isDone()) {
            check();
            TimeUnit.MILLISECONDS.sleep(20);
        }
        return LoadPoint.of(
                load,
                exactlyOnce,
                (double) measured / seconds,
                (double) reader.inTime() / seconds,
                micros,
                before == null ? DeviceWork.NONE : after.since(before));
    }

    private void check() throws Exception {
        if (started.job().hasEnded()) {
            started.job().awaitEnd();
        }
        reader.check();
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
        reader.close();
        sender.close();
    }
}
