package io.streamformer.local.bench;

import io.streamformer.local.Machine;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/** The memory of this process while something runs, looked at once a second. */
final class ResidentMemory implements AutoCloseable {

    /**
     * A look at it.
     *
     * @param millis when, by the wall clock, as the broker stamps records
     */
    record Sample(long millis, long kilobytes) {}

    private final List<Sample> samples = new ArrayList<>();
    private final ScheduledExecutorService thread = Executors.newSingleThreadScheduledExecutor();
    private final Future<?> looking;

    ResidentMemory() {
        looking = thread.scheduleAtFixedRate(this::look, 0, 1, TimeUnit.SECONDS);
    }

    private void look() {
        try {
            long kilobytes = Machine.residentKilobytes();
            synchronized (samples) {
                samples.add(new Sample(System.currentTimeMillis(), kilobytes));
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** All looks so far, and one more. */
    List<Sample> samples() throws Exception {
        if (looking.isDone()) {
            looking.get();
        }
        look();
        synchronized (samples) {
            return List.copyOf(samples);
        }
    }

    @Override
    public void close() {
        thread.shutdownNow();
    }
}
