package io.streamformer.local.demo;

import io.streamformer.bundle.Task;
import io.streamformer.local.LineSource;
import io.streamformer.local.Topics;
import java.io.IOException;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Lines in, answered events out, through the topics of a running job: it ends exactly when every
 * line has its outcome of every task.
 */
final class Exchange implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(Exchange.class);

    // More than the job answers between two commits, so that waiting for one never starves it.
    private static final int EVENTS_UNDER_WAY = 20_000;
    private static final long BYTES_UNDER_WAY = 16L * 1024 * 1024;
    private static final int TICK_MILLIS = 100;

    /** Receives the answered events, in the order of the lines. */
    interface Receiver {
        void accept(AnsweredEvent event) throws IOException;
    }

    /** Is called several times a second; what it throws ends the exchange. */
    interface Watch {
        void look() throws Exception;
    }

    private final Receiver receiver;
    private final EventBook book;
    private final ReplyReader reader;
    private final Feeder feeder;
    private final ExecutorService threads =
            Executors.newCachedThreadPool(
                    task -> {
                        // A daemon: one that waits for the keyboard must not keep the JVM.
                        Thread thread = new Thread(task, "streamformer-exchange");
                        thread.setDaemon(true);
                        return thread;
                    });

    /** Is ready to read whatever is answered from now on. */
    Exchange(String bootstrapServers, Topics topics, Set<Task> tasks, Receiver receiver) {
        // Tells our records from the records of others where the Kafka is shared.
        String run = UUID.randomUUID().toString();
        this.receiver = receiver;
        this.book = new EventBook(tasks, EVENTS_UNDER_WAY, BYTES_UNDER_WAY);
        this.reader = new ReplyReader(bootstrapServers, topics, run);
        this.feeder =
                new Feeder(
                        bootstrapServers,
                        topics.events(),
                        run,
                        tasks.contains(Task.QUESTION_ANSWERING),
                        book,
                        this::deliver);
    }

    /**
     * Sends every line and waits for its outcomes.
     *
     * @return how many lines there were
     */
    long run(LineSource source, Watch watch) throws Exception {
        Future<?> reading =
                threads.submit(
                        () -> {
                            reader.read(this::deliver);
                            return null;
                        });
        try {
            Future<Long> feeding = threads.submit(() -> feeder.feed(source));
            while (!feeding.isDone() || book.open() > 0) {
                if (feeding.isDone()) {
                    result(feeding);
                }
                if (reading.isDone()) {
                    result(reading);
                }
                watch.look();
                TimeUnit.MILLISECONDS.sleep(TICK_MILLIS);
            }
            if (book.unexpected() > 0) {
                throw new IllegalStateException(
                        book.unexpected()
                                + " outcomes came twice. Does another job read the topic of the"
                                + " events too? Stop it, or give this demo its own Kafka");
            }
            return result(feeding);
        } finally {
            reader.stop();
            await(reading);
        }
    }

    /** Called by the reader's thread and, for lines that Kafka refused, by the producer's. */
    private synchronized void deliver(String id, Reply reply) throws IOException {
        for (AnsweredEvent event : book.answered(id, reply, System.currentTimeMillis())) {
            receiver.accept(event);
        }
    }

    private static <T> T result(Future<T> future) throws Exception {
        try {
            return future.get();
        } catch (ExecutionException e) {
            throw e.getCause() instanceof Exception cause ? cause : e;
        }
    }

    private static void await(Future<?> future) {
        try {
            future.get(5, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (ExecutionException | TimeoutException e) {
            LOG.warn("The reader did not end in an orderly way", e);
        }
    }

    @Override
    public void close() {
        threads.shutdownNow();
        feeder.close();
        reader.close();
    }
}
