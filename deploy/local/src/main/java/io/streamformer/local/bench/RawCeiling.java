package io.streamformer.local.bench;

import io.streamformer.bundle.Bundle;
import io.streamformer.bundle.Manifest;
import io.streamformer.engine.DeviceModels;
import io.streamformer.engine.ModelOptions;
import io.streamformer.inference.GenerationOptions;
import io.streamformer.inference.LoadedModel;
import io.streamformer.inference.ModelInput;
import io.streamformer.inference.ModelOutput;
import io.streamformer.inference.ModelRunner;
import io.streamformer.inference.ort.OrtEngine;
import io.streamformer.options.Options;
import io.streamformer.tokenize.Tokenizer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.LongConsumer;

/**
 * The raw ceiling: what a session gives to ready batches, sorted by length, with nothing around it.
 */
final class RawCeiling implements AutoCloseable {

    private static final int TRIAL_TEXTS = 512;
    private static final int MOST_TEXTS = 1_000_000;

    private final Options options;
    private final Tokenizer tokenizer;
    private final DeviceModels models;
    private final LoadedModel model;
    private final GenerationOptions generation;
    private final List<Integer> endIds;
    private final int threads;

    RawCeiling(Bundle bundle, Options options) {
        this.options = options;
        Manifest manifest = bundle.manifest();
        generation =
                manifest.task().generates()
                        ? GenerationOptions.of(options, manifest.decoding())
                        : null;
        endIds = generation == null ? List.of() : manifest.decoding().eosTokenId();
        tokenizer = Tokenizer.load(bundle);
        models = DeviceModels.open(bundle, options, OrtEngine.INSTANCE);
        model = models.models().get(0);
        threads = model.device().gpu() ? 1 : ModelOptions.cpuRunThreads(options);
    }

    List<ModelInput> tokenize(List<String> texts) {
        return texts.stream()
                .map(text -> ModelInput.of(tokenizer.tokenize(text, null), generation))
                .toList();
    }

    /** The device that the session runs on. */
    String device() {
        return model.device().toString();
    }

    /** How many texts of a kind the session answers in some seconds, after a trial of them. */
    int textsIn(int seconds, List<String> kind) throws Exception {
        List<ModelInput> trial = tokenize(TextMix.take(kind, TRIAL_TEXTS));
        run(trial);
        double texts = run(trial).textsPerSecond() * seconds;
        return (int) Math.max(TRIAL_TEXTS, Math.min(MOST_TEXTS, texts));
    }

    /** Runs all texts once. */
    Turn run(List<ModelInput> texts) throws Exception {
        return run(texts, nanos -> {});
    }

    /**
     * Runs all texts once.
     *
     * @param fullBatches is told the nanoseconds of each run that had all rows it may have, by
     *     several threads
     */
    Turn run(List<ModelInput> texts, LongConsumer fullBatches) throws Exception {
        SortedBatches batches = new SortedBatches(texts, options);
        AtomicInteger next = new AtomicInteger();
        LongAdder written = new LongAdder();
        ExecutorService pool = Executors.newFixedThreadPool(threads);
        try {
            long start = System.nanoTime();
            List<Future<?>> running = new ArrayList<>();
            for (int i = 0; i < threads; i++) {
                ModelRunner runner = model.newRunner();
                running.add(
                        pool.submit(
                                () -> {
                                    for (int b = next.getAndIncrement();
                                            b < batches.size();
                                            b = next.getAndIncrement()) {
                                        List<ModelInput> batch = batches.get(b);
                                        long began = System.nanoTime();
                                        ModelOutput output = runner.run(batch, generation);
                                        if (batches.isFull(batch)) {
                                            fullBatches.accept(System.nanoTime() - began);
                                        }
                                        written.add(count(output));
                                    }
                                    return null;
                                }));
            }
            for (Future<?> thread : running) {
                thread.get();
            }
            double seconds = (System.nanoTime() - start) / 1e9;
            DeviceWork work = batches.work();
            return new Turn(texts.size(), seconds, work.realTokens(), written.sum(), work, false);
        } finally {
            pool.shutdownNow();
        }
    }

    /** Tokens written up to each row's end token. */
    private long count(ModelOutput output) {
        if (!output.has("sequences")) {
            return 0;
        }
        long[] ids = output.longs("sequences");
        int length = output.axis("sequences", 2);
        int stride = output.axis("sequences", 1) * length;
        long count = 0;
        for (int row = 0; row < ids.length; row += stride) {
            for (int i = 0; i < length; i++) {
                count++;
                if (endIds.contains((int) ids[row + i])) {
                    break;
                }
            }
        }
        return count;
    }

    @Override
    public void close() {
        models.close();
        tokenizer.close();
    }
}
