package io.streamformer.local;

import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;

/** What every command brings up, with its line on the screen. */
public final class LocalSteps {

    private LocalSteps() {}

    public static EmbeddedKafka startBroker(Screen screen) throws Exception {
        return screen.step(
                "Starting the Kafka broker",
                () -> {
                    EmbeddedKafka broker = unbroken(EmbeddedKafka::start);
                    return new Screen.Step<>(broker.bootstrapServers(), broker);
                });
    }

    public static LocalCluster startCluster(int slots, Screen screen) throws Exception {
        return screen.step(
                "Starting the Flink cluster",
                () -> {
                    LocalCluster cluster = unbroken(() -> LocalCluster.start(slots));
                    return new Screen.Step<>("web UI at " + cluster.webAddress(), cluster);
                });
    }

    /**
     * Starts something on a thread that Ctrl-C does not interrupt: a broker that is interrupted
     * while it starts ends the process. It is closed once it is up.
     */
    private static <T extends AutoCloseable> T unbroken(Callable<T> start) throws Exception {
        FutureTask<T> task = new FutureTask<>(start);
        new Thread(task, "streamformer-start").start();
        try {
            return task.get();
        } catch (InterruptedException e) {
            task.get().close();
            throw e;
        } catch (ExecutionException e) {
            throw e.getCause() instanceof Exception cause ? cause : e;
        }
    }
}
