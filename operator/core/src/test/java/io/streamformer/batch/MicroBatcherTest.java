package io.streamformer.batch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(30)
class MicroBatcherTest {

    private static final BatchLimits LIMITS =
            new BatchLimits(4, 100, 50, Duration.ofMillis(3), Duration.ZERO);

    private static final Duration RUN_TIMEOUT = Duration.ofMinutes(5);

    /** A model that runs when it may, and fails on the rows it is told to. */
    private static final class FakeModel implements BatchRunner<FakeRow> {
        final Semaphore may = new Semaphore(0);
        final Set<String> poison = ConcurrentHashMap.newKeySet();
        final LinkedBlockingQueue<List<FakeRow>> started = new LinkedBlockingQueue<>();
        final LinkedBlockingQueue<FakeRow> answered = new LinkedBlockingQueue<>();
        final ConcurrentHashMap<String, Throwable> failed = new ConcurrentHashMap<>();
        final AtomicInteger splits = new AtomicInteger();
        final AtomicInteger retries = new AtomicInteger();
        final AtomicBoolean told = new AtomicBoolean();
        volatile boolean obeys = true;
        volatile Error onFail;
        volatile Error onAbort;
        final AtomicInteger busyRuns = new AtomicInteger();
        volatile long millis;
        volatile int memory = Integer.MAX_VALUE;
        volatile CountDownLatch allFailed = new CountDownLatch(0);

        @Override
        public void run(List<FakeRow> rows) throws Exception {
            started.add(List.copyOf(rows));
            while (!may.tryAcquire(5, TimeUnit.MILLISECONDS)) {
                if (obeys && told.getAndSet(false)) {
                    throw new IllegalStateException("told to end");
                }
            }
            TimeUnit.MILLISECONDS.sleep(millis);
            if (busyRuns.get() > 0 && busyRuns.getAndDecrement() > 0) {
                throw new IllegalStateException("the device is busy");
            }
            if (rows.size() * rows.get(0).length() > memory) {
                throw new IllegalStateException("out of memory");
            }
            for (FakeRow row : rows) {
                if (poison.contains(row.name())) {
                    throw new IllegalArgumentException("poison: " + row.name());
                }
            }
            answered.addAll(rows);
        }

        @Override
        public void terminate() {
            told.set(true);
        }

        @Override
        public void abort(FakeRow row, Throwable failure) {
            failed.put(row.name(), failure);
            if (onAbort != null) {
                throw onAbort;
            }
            allFailed.countDown();
        }

        @Override
        public void fail(FakeRow row, Throwable failure) {
            if (onFail != null) {
                throw onFail;
            }
            failed.put(row.name(), failure);
            allFailed.countDown();
        }

        @Override
        public boolean isTransient(Throwable failure) {
            return failure.getMessage().contains("busy");
        }

        @Override
        public void onRetry(Throwable failure) {
            retries.incrementAndGet();
        }

        @Override
        public boolean isOutOfMemory(Throwable failure) {
            return failure.getMessage().contains("out of memory");
        }

        @Override
        public void onSplit(Throwable failure) {
            splits.incrementAndGet();
        }

        List<FakeRow> nextStarted() throws InterruptedException {
            return started.poll(10, TimeUnit.SECONDS);
        }

        List<String> nextAnswered(int count) throws InterruptedException {
            List<String> names = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                names.add(answered.poll(10, TimeUnit.SECONDS).name());
            }
            return names;
        }
    }

    private final FakeModel model = new FakeModel();
    private DeviceScheduler scheduler;

    @Test
    void takesWhatIsThereWhileTheDeviceIsIdle() throws Exception {
        try (MicroBatcher<FakeRow> batcher = batcher(1)) {
            model.may.release();
            batcher.add(row("a", 5));
            assertThat(model.nextAnswered(1)).containsExactly("a");
        }
    }

    @Test
    void gathersABatchWhileTheDeviceIsBusy() throws Exception {
        try (MicroBatcher<FakeRow> batcher = batcher(1)) {
            batcher.add(row("first", 5));
            assertThat(model.nextStarted()).hasSize(1);
            for (int i = 0; i < 4; i++) {
                batcher.add(row("next" + i, 5));
            }
            assertThat(batcher.waiting()).isEqualTo(4);
            assertThat(batcher.inFlight()).isEqualTo(1);

            model.may.release(2);

            assertThat(model.nextStarted()).hasSize(4);
            assertThat(model.nextAnswered(5)).startsWith("first");
        }
    }

    @Test
    void runsAsManyBatchesAtOnceAsItHasThreads() throws Exception {
        try (MicroBatcher<FakeRow> batcher = batcher(2)) {
            for (int i = 0; i < 8; i++) {
                batcher.add(row("row" + i, 5));
            }
            // Neither has been let go on when the other starts.
            assertThat(model.nextStarted()).isNotEmpty();
            assertThat(model.nextStarted()).isNotEmpty();

            model.may.release(100);

            assertThat(model.nextAnswered(8)).hasSize(8);
        }
    }

    @Test
    void splitsAFailedBatchUntilTheGuiltyRowIsAlone() throws Exception {
        model.poison.add("poison");
        model.allFailed = new CountDownLatch(1);
        try (MicroBatcher<FakeRow> batcher = batcher(1)) {
            batcher.add(row("first", 5));
            model.nextStarted();
            for (String name : List.of("a", "b", "poison", "c")) {
                batcher.add(row(name, 5));
            }
            model.may.release(100);

            assertThat(model.nextAnswered(4)).containsExactlyInAnyOrder("first", "a", "b", "c");
            model.allFailed.await();
        }
        assertThat(model.failed).containsOnlyKeys("poison");
        assertThat(model.failed.get("poison")).hasMessage("poison: poison");
        assertThat(model.splits).hasValue(2);
    }

    @Test
    void halvesABatchThatDoesNotFitIntoMemoryAndRemembersIt() throws Exception {
        model.memory = 50;
        try (MicroBatcher<FakeRow> batcher = batcher(1)) {
            batcher.add(row("first", 5));
            model.nextStarted();
            for (int i = 0; i < 8; i++) {
                batcher.add(row("row" + i, 25));
            }
            model.may.release(100);
            assertThat(model.nextAnswered(9)).hasSize(9);
        }
        assertThat(model.failed).isEmpty();
        assertThat(model.splits).hasValue(1);
        // 4 x 25 did not fit; from then on no batch has more than half of that.
        assertThat(model.started).extracting(List::size).containsExactly(4, 2, 2, 2, 2);
    }

    @Test
    void leavesAbandonedRowsOut() throws Exception {
        try (MicroBatcher<FakeRow> batcher = batcher(1)) {
            batcher.add(row("first", 5));
            model.nextStarted();
            FakeRow abandoned = row("abandoned", 5);
            batcher.add(abandoned);
            batcher.add(row("kept", 5));
            abandoned.abandon();
            model.may.release(100);

            assertThat(model.nextAnswered(2)).containsExactly("first", "kept");
        }
        assertThat(model.answered).isEmpty();
    }

    @Test
    void servesTheOldestRowUnderAStreamOfBetterFits() throws Exception {
        try (MicroBatcher<FakeRow> batcher = batcher(1)) {
            batcher.add(row("first", 5));
            model.nextStarted();
            batcher.add(row("old", 50));
            for (int i = 0; i < 20; i++) {
                batcher.add(row("short" + i, 5));
            }
            model.may.release(2);

            assertThat(model.nextStarted()).extracting(FakeRow::name).contains("old");
            model.may.release(100);
            assertThat(model.nextAnswered(22)).hasSize(22);
        }
    }

    @Test
    void triesARowAgainWhereTheDeviceIsAtFault() throws Exception {
        model.busyRuns.set(MicroBatcher.RETRIES);
        model.may.release(100);
        try (MicroBatcher<FakeRow> batcher = batcher(1)) {
            batcher.add(row("patient", 5));
            assertThat(model.nextAnswered(1)).containsExactly("patient");
            assertThat(model.retries).hasValue(MicroBatcher.RETRIES);
            assertThat(model.started).hasSize(MicroBatcher.RETRIES + 1);
        }
    }

    @Test
    void givesUpOnARowWhereTheDeviceStaysAtFault() throws Exception {
        model.busyRuns.set(100);
        model.may.release(100);
        model.allFailed = new CountDownLatch(1);
        try (MicroBatcher<FakeRow> batcher = batcher(1)) {
            batcher.add(row("hopeless", 5));
            assertThat(model.allFailed.await(10, TimeUnit.SECONDS)).isTrue();
            assertThat(model.failed.get("hopeless")).hasMessageContaining("busy");
            assertThat(model.started).hasSize(MicroBatcher.RETRIES + 1);
        }
    }

    @Test
    void countsARowThatWaitsForAnotherTry() throws Exception {
        model.busyRuns.set(1);
        MicroBatcher<FakeRow> batcher = batcher(1);
        batcher.add(new FakeRow("again", 5, System.nanoTime(), Priority.HIGH));
        model.nextStarted();
        model.may.release();
        while (model.retries.get() == 0 || batcher.waiting() == 0) {
            Thread.onSpinWait();
        }
        assertThat(batcher.waiting(Priority.HIGH)).isEqualTo(1);
        assertThat(batcher.waiting(Priority.NORMAL)).isZero();
        model.may.release(100);
        batcher.close();
        assertThat(model.answered.size() + model.failed.size()).isEqualTo(1);
    }

    @Test
    void waitsForRunsInFlightWhenItIsClosed() throws Exception {
        MicroBatcher<FakeRow> batcher = batcher(1);
        batcher.add(row("running", 5));
        model.nextStarted();
        batcher.add(row("waiting", 5));
        Thread closer = new Thread(batcher::close);
        closer.start();
        closer.join(50);
        assertThat(closer.isAlive()).isTrue();

        model.may.release(100);
        closer.join();

        assertThat(model.nextAnswered(1)).containsExactly("running");
        assertThat(model.failed.get("waiting")).isInstanceOf(CancellationException.class);
        assertThatThrownBy(() -> batcher.add(row("late", 5)))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("closed batcher");
    }

    @Test
    void endsARunThatTakesTooLong() throws Exception {
        model.allFailed = new CountDownLatch(1);
        try (MicroBatcher<FakeRow> batcher = batcher(1)) {
            batcher.add(row("slow", 5));
            model.nextStarted();
            scheduler.watch(System.nanoTime() + RUN_TIMEOUT.toNanos());
            model.allFailed.await();
            assertThat(model.failed.get("slow"))
                    .isInstanceOf(TimeoutException.class)
                    .hasMessage("the run took longer than 300 s and was ended");

            model.may.release(1);
            batcher.add(row("next", 5));
            assertThat(model.nextAnswered(1)).containsExactly("next");
        }
    }

    @Test
    void runsTheNeighboursOfARowThatHangsAgain() throws Exception {
        model.allFailed = new CountDownLatch(1);
        try (MicroBatcher<FakeRow> batcher = batcher(1)) {
            batcher.add(row("first", 5));
            model.nextStarted();
            batcher.add(row("endless", 6));
            batcher.add(row("good", 5));
            model.may.release(1);
            assertThat(model.nextStarted()).hasSize(2);
            scheduler.watch(System.nanoTime() + RUN_TIMEOUT.toNanos());
            assertThat(model.nextStarted()).extracting(FakeRow::name).containsExactly("endless");
            assertThat(batcher.oldestRunNanos()).as("a new run").isLessThan(RUN_TIMEOUT.toNanos());
            scheduler.watch(System.nanoTime() + RUN_TIMEOUT.toNanos());
            model.allFailed.await();
            model.may.release(1);
            assertThat(model.nextAnswered(2)).containsExactly("first", "good");
            assertThat(model.failed).containsOnlyKeys("endless");
        }
    }

    @Test
    void failsTheQueueOfARunThatHangsAndServesTheOthers() throws Exception {
        FakeModel other = new FakeModel();
        model.obeys = false;
        MicroBatcher<FakeRow> batcher = batcher(1);
        try (MicroBatcher<FakeRow> good = batcher("cpu", other)) {
            batcher.add(row("hung", 5));
            model.nextStarted();
            batcher.add(row("waiting", 5));
            other.may.release(1);
            good.add(row("good", 5));
            long limit = RUN_TIMEOUT.plus(DeviceScheduler.GRACE).toNanos();
            scheduler.watch(System.nanoTime() + RUN_TIMEOUT.toNanos());
            assertThat(model.failed).isEmpty();
            scheduler.watch(System.nanoTime() + limit);

            for (String name : List.of("hung", "waiting")) {
                assertThat(model.failed.get(name))
                        .isInstanceOf(IllegalStateException.class)
                        .hasMessageContaining("run hung");
            }
            assertThat(batcher.failure()).hasMessageContaining("run hung");
            assertThatThrownBy(() -> batcher.add(row("late", 5)))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("run hung");
            assertThat(other.nextAnswered(1)).containsExactly("good");
            batcher.close(Duration.ofMillis(1));
            assertThat(batcher.inFlight()).as("its model must not be closed").isEqualTo(1);
        }
        model.may.release();
        while (batcher.inFlight() > 0) {
            Thread.onSpinWait();
        }
    }

    @Test
    void closesWithARunThatHangs() throws Exception {
        model.obeys = false;
        MicroBatcher<FakeRow> batcher = batcher(1);
        batcher.add(row("hung", 5));
        model.nextStarted();
        batcher.close(Duration.ofMillis(1));
        assertThat(batcher.inFlight()).isEqualTo(1);
        assertThat(model.told).isTrue();
        model.may.release();
    }

    @Test
    void tellsRowsHowLongTheirRunTakesAndNoneThatWait() throws Exception {
        try (MicroBatcher<FakeRow> batcher = batcher(1)) {
            FakeRow running = row("running", 5);
            FakeRow waiting = row("waiting", 5);
            batcher.add(running);
            model.nextStarted();
            batcher.add(waiting);
            scheduler.watch(System.nanoTime() + TimeUnit.SECONDS.toNanos(7));
            assertThat(running.ranNanos()).isGreaterThanOrEqualTo(TimeUnit.SECONDS.toNanos(7));
            assertThat(waiting.ranNanos()).isZero();
            assertThat(batcher.oldestRunNanos()).isPositive();
            model.may.release(2);
            model.nextAnswered(2);
        }
    }

    @Test
    void endsARunThatNobodyWaitsFor() throws Exception {
        try (MicroBatcher<FakeRow> batcher = batcher(1)) {
            FakeRow abandoned = row("abandoned", 5);
            batcher.add(abandoned);
            model.nextStarted();
            abandoned.abandon();
            scheduler.watch(System.nanoTime());
            while (model.told.get()) {
                Thread.onSpinWait();
            }
            model.may.release(1);
            batcher.add(row("next", 5));
            assertThat(model.nextAnswered(1)).containsExactly("next");
        }
    }

    @Test
    void failsARowWhoseFailureCannotBeTold() throws Exception {
        model.poison.add("poison");
        model.onFail = new AssertionError("no words");
        model.allFailed = new CountDownLatch(1);
        model.may.release(100);
        try (MicroBatcher<FakeRow> batcher = batcher(1)) {
            batcher.add(row("poison", 5));
            assertThat(model.allFailed.await(10, TimeUnit.SECONDS)).isTrue();
            assertThat(model.failed.get("poison")).hasMessage("no words");
            batcher.add(row("next", 5));
            assertThat(model.nextAnswered(1)).containsExactly("next");
        }
    }

    @Test
    void replacesARunThreadThatDiesAndFailsItsQueues() throws Exception {
        model.poison.add("poison");
        model.onFail = new AssertionError("no words");
        model.onAbort = new AssertionError("no way out");
        model.may.release(100);
        MicroBatcher<FakeRow> batcher = batcher(1);
        batcher.add(row("poison", 5));
        while (batcher.failure() == null) {
            Thread.onSpinWait();
        }
        assertThat(batcher.failure()).hasMessageContaining("a run thread ended");
        batcher.close();
        FakeModel other = new FakeModel();
        other.may.release(1);
        try (MicroBatcher<FakeRow> good = batcher("cpu", other)) {
            good.add(row("good", 5));
            assertThat(other.nextAnswered(1)).containsExactly("good");
        }
    }

    @Test
    void runsAsManyBatchesOfAQueueAsItHasRunnersWhateverAnotherHas() throws Exception {
        FakeModel wide = new FakeModel();
        MicroBatcher<FakeRow> narrow = batcher(1);
        try (narrow;
                MicroBatcher<FakeRow> other =
                        new MicroBatcher<>(
                                scheduler,
                                LIMITS,
                                RUN_TIMEOUT,
                                Collections.nCopies(3, "cpu"),
                                i -> wide)) {
            for (int i = 0; i < 8; i++) {
                narrow.add(row("narrow" + i, 5));
            }
            model.nextStarted();
            for (int i = 0; i < 12; i++) {
                other.add(row("wide" + i, 5));
            }
            // Three threads, one of them with the narrow queue: the wide one has the other two.
            wide.nextStarted();
            wide.nextStarted();
            assertThat(model.started).isEmpty();
            wide.may.release(100);
            assertThat(wide.nextAnswered(12)).hasSize(12);
            model.may.release(100);
            assertThat(model.nextAnswered(8)).hasSize(8);
        }
    }

    @Test
    void itsThreadsKeepNothingOfTheThreadThatStartedThem() throws Exception {
        ClassLoader jobs = new ClassLoader("job", getClass().getClassLoader()) {};
        ClassLoader before = Thread.currentThread().getContextClassLoader();
        Thread.currentThread().setContextClassLoader(jobs);
        try (MicroBatcher<FakeRow> batcher = batcher(1)) {
            assertThat(batcher.waiting()).isZero();
            assertThat(
                            Thread.getAllStackTraces().keySet().stream()
                                    .filter(thread -> thread.getName().startsWith("test")))
                    .hasSizeGreaterThanOrEqualTo(2)
                    .allSatisfy(
                            thread ->
                                    assertThat(thread.getContextClassLoader())
                                            .isEqualTo(DeviceScheduler.class.getClassLoader()));
        } finally {
            Thread.currentThread().setContextClassLoader(before);
        }
    }

    @Test
    void losesNoRowUnderManyProducers() throws Exception {
        int producers = 4;
        int rows = 2_000;
        model.may.release(producers * rows);
        List<Thread> threads = new ArrayList<>();
        try (MicroBatcher<FakeRow> batcher = batcher(3)) {
            for (int p = 0; p < producers; p++) {
                int offset = p;
                threads.add(
                        new Thread(
                                () -> {
                                    for (int i = 0; i < rows; i++) {
                                        batcher.add(row(offset + "-" + i, 1 + i % 50));
                                    }
                                }));
            }
            threads.forEach(Thread::start);
            assertThat(model.nextAnswered(producers * rows)).doesNotHaveDuplicates();
            assertThat(batcher.waiting()).isZero();
        }
    }

    @Test
    void servesTwoModelsByTheTimeThatTheyTake() throws Exception {
        FakeModel slow = new FakeModel();
        FakeModel fast = new FakeModel();
        slow.millis = 12;
        fast.millis = 3;
        slow.may.release(1_000);
        fast.may.release(1_000);
        scheduler = new DeviceScheduler("test");
        try (MicroBatcher<FakeRow> one = batcher("cpu", slow);
                MicroBatcher<FakeRow> other = batcher("cpu", fast)) {
            for (int i = 0; i < 400; i++) {
                one.add(row("slow" + i, 5));
                other.add(row("fast" + i, 5));
            }
            // The fast model ends first if it is not held back to the slow one's number of runs.
            fast.nextAnswered(400);
            assertThat(slow.started.size()).isBetween(10, 60);
        }
    }

    @Test
    void givesTheNextBatchToTheDeviceThatIsFree() throws Exception {
        FakeModel first = new FakeModel();
        FakeModel second = new FakeModel();
        List<FakeModel> devices = List.of(first, second);
        scheduler = new DeviceScheduler("test");
        try (MicroBatcher<FakeRow> batcher =
                new MicroBatcher<>(
                        scheduler,
                        LIMITS,
                        RUN_TIMEOUT,
                        List.of("cuda:0", "cuda:1"),
                        devices::get)) {
            for (int i = 0; i < 12; i++) {
                batcher.add(row("row" + i, 5));
            }
            // The first device is still at its first batch while the second does all the others.
            int held = first.nextStarted().size();
            second.may.release(100);
            List<String> answered = second.nextAnswered(12 - held);
            assertThat(answered).doesNotHaveDuplicates();
            assertThat(first.answered).isEmpty();
            first.may.release(100);
            assertThat(first.nextAnswered(held)).doesNotContainAnyElementsOf(answered);
        }
    }

    @Test
    void doesNotLetAModelSaveUpTheTimeInWhichItHadNothingToDo() throws Exception {
        FakeModel busy = new FakeModel();
        FakeModel late = new FakeModel();
        busy.millis = 5;
        late.millis = 5;
        busy.may.release(1_000);
        late.may.release(1_000);
        scheduler = new DeviceScheduler("test");
        try (MicroBatcher<FakeRow> one = batcher("cpu", busy);
                MicroBatcher<FakeRow> other = batcher("cpu", late)) {
            for (int i = 0; i < 200; i++) {
                one.add(row("busy" + i, 5));
            }
            busy.nextAnswered(100);
            int before = busy.started.size();
            for (int i = 0; i < 60; i++) {
                other.add(row("late" + i, 5));
            }
            late.nextAnswered(60);
            assertThat(busy.started.size() - before).isBetween(8, 24);
        }
    }

    @AfterEach
    void endThreads() {
        if (scheduler != null) {
            scheduler.close();
        }
    }

    private MicroBatcher<FakeRow> batcher(int threads) {
        scheduler = new DeviceScheduler("test");
        return new MicroBatcher<>(
                scheduler, LIMITS, RUN_TIMEOUT, Collections.nCopies(threads, "cpu"), i -> model);
    }

    private MicroBatcher<FakeRow> batcher(String device, FakeModel runner) {
        return new MicroBatcher<>(scheduler, LIMITS, RUN_TIMEOUT, List.of(device), i -> runner);
    }

    private static FakeRow row(String name, int length) {
        return new FakeRow(name, length, System.nanoTime());
    }
}
