package io.streamformer.engine;

import io.streamformer.batch.BatchLimits;
import io.streamformer.batch.DeviceScheduler;
import io.streamformer.batch.MicroBatcher;
import io.streamformer.batch.Priority;
import io.streamformer.bundle.Bundle;
import io.streamformer.bundle.Manifest;
import io.streamformer.inference.Device;
import io.streamformer.inference.GenerationOptions;
import io.streamformer.inference.InferenceEngine;
import io.streamformer.inference.LoadedModel;
import io.streamformer.inference.ModelInput;
import io.streamformer.inference.SessionSetup;
import io.streamformer.options.Options;
import io.streamformer.task.PredictionDecoder;
import io.streamformer.task.TaskDefinition;
import io.streamformer.tokenize.Tokenizer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A verified bundle that is being run: tokenizer, batcher and model, shared by its leases. */
final class SharedSession implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(SharedSession.class);

    private final Bundle bundle;
    private final String variant;
    private final Device device;
    private final int runThreads;
    private final int minimumCapacity;
    private final int maxBatchTokens;
    private final RowInputs inputs;
    private final GenerationOptions generation;
    private final PredictionDecoder decoder;
    private final Tokenizer tokenizer;
    private final List<LoadedModel> models;
    private final ExecutorService answers;
    private final MicroBatcher<QueuedText> batcher;
    private final PipelineStats stats;
    private final ResultCache cache;

    private SharedSession(
            Bundle bundle, Options options, Tokenizer tokenizer, List<LoadedModel> models) {
        Manifest manifest = bundle.manifest();
        this.bundle = bundle;
        this.variant = bundle.variantName(options.get(ModelOptions.VARIANT));
        this.tokenizer = tokenizer;
        this.models = models;
        device = models.get(0).device().gpu() ? options.get(ModelOptions.DEVICE) : Device.CPU;

        boolean generates = manifest.task().generates();
        generation = generates ? GenerationOptions.of(options, manifest.decoding()) : null;
        maxBatchTokens = options.get(ModelOptions.MAX_TOKENS);
        BatchLimits limits =
                new BatchLimits(
                        options.get(ModelOptions.MAX_ROWS),
                        maxBatchTokens,
                        highestCost(manifest.limits().maxTokens()),
                        options.get(ModelOptions.MAX_DELAY),
                        options.get(ModelOptions.MAX_TIME));
        inputs = new RowInputs(manifest, tokenizer);
        GoldenReplay golden = new GoldenReplay(bundle, options.get(ModelOptions.VARIANT));
        List<List<ModelInput>> texts = golden.read(inputs);
        for (LoadedModel model : models) {
            golden.verify(
                    texts, model.newRunner(), tokenizer, limits.maxRows(), limits.maxTokens());
        }

        TaskDefinition task = TaskDefinition.of(manifest.task());
        decoder = task.decoder(bundle, tokenizer, generation);
        Answer.ServedModel served = new Answer.ServedModel(manifest, variant, bundle.hash());
        runThreads = runThreads(options);
        stats = new PipelineStats(new Queue());
        long cacheBytes = options.get(ModelOptions.CACHE_MAX_BYTES);
        cache = cacheBytes == 0 ? null : new ResultCache(cacheBytes);
        // A GPU goes on with the next batch while the CPU makes words of the last one; with a CPU
        // both would share the same cores.
        answers = device.gpu() ? Executors.newSingleThreadExecutor(SharedSession::thread) : null;
        DeviceScheduler scheduler = DeviceSchedulers.lease(device, runThreads);
        try {
            batcher =
                    new MicroBatcher<>(
                            scheduler,
                            limits,
                            thread ->
                                    new PipelineRunner(
                                            models.get(thread % models.size()).newRunner(),
                                            decoder,
                                            generation,
                                            texts.get(0).get(0),
                                            served,
                                            stats,
                                            answers == null ? Runnable::run : answers));
        } catch (RuntimeException e) {
            DeviceSchedulers.release(device, runThreads);
            throw e;
        }
        minimumCapacity = options.get(ModelOptions.MAX_ROWS) * (runThreads + 1);
        LOG.info(
                "Loaded {} {} ({}, bundle {}) on {} with {} run threads of {} intra-op threads{}",
                manifest.name(),
                manifest.version(),
                variant,
                bundle.hash().substring(0, 12),
                device,
                runThreads,
                options.get(ModelOptions.INTRA_OP_THREADS),
                measured(bundle.variant(variant)));
    }

    private static Thread thread(Runnable work) {
        Thread thread = new Thread(work, "streamformer-answers");
        thread.setDaemon(true);
        return thread;
    }

    /** What was measured of a variant when it was made, in words; nothing where nothing was. */
    private static String measured(Manifest.Variant variant) {
        return variant.figures().isEmpty() ? "" : "; measured " + variant.figures();
    }

    /** Loads a bundle, once for each GPU, and replays its golden texts. */
    static SharedSession open(Bundle bundle, Options options, InferenceEngine engine) {
        ModelOptions.checkFits(options, bundle.manifest());
        Tokenizer tokenizer = Tokenizer.load(bundle);
        List<LoadedModel> models = new ArrayList<>();
        try {
            for (Device device : options.get(ModelOptions.DEVICE).each()) {
                models.add(
                        engine.load(
                                bundle,
                                new SessionSetup(
                                        options.get(ModelOptions.VARIANT),
                                        device,
                                        options.get(ModelOptions.INTRA_OP_THREADS),
                                        ModelOptions.cpuRunThreads(options),
                                        options.get(ModelOptions.PROVIDER_OPTIONS)),
                                TaskDefinition.of(bundle.manifest().task()).outputs()));
                if (!models.get(0).device().gpu()) {
                    // No GPU could be used, and none had to be.
                    break;
                }
            }
            return new SharedSession(bundle, options, tokenizer, models);
        } catch (RuntimeException e) {
            models.forEach(LoadedModel::close);
            tokenizer.close();
            throw e;
        }
    }

    Bundle bundle() {
        return bundle;
    }

    String variant() {
        return variant;
    }

    PipelineStats stats() {
        return stats;
    }

    int minimumCapacity() {
        return minimumCapacity;
    }

    CompletableFuture<Answer> submit(TextInput input) {
        if (cache == null) {
            return queue(input);
        }
        Answer known = cache.find(input);
        if (known != null) {
            stats.cacheHits.increment();
            return CompletableFuture.completedFuture(known);
        }
        stats.cacheMisses.increment();
        CompletableFuture<Answer> answer = queue(input);
        var unused = answer.thenAccept(prediction -> cache.put(input, prediction));
        return answer;
    }

    private CompletableFuture<Answer> queue(TextInput input) {
        long start = System.nanoTime();
        List<ModelInput> rows;
        try {
            rows = inputs.read(input, generation);
        } catch (InferenceException e) {
            stats.failures.increment();
            return CompletableFuture.failedFuture(e);
        }
        long arrival = System.nanoTime();
        stats.tokenizeTime.record(arrival - start);
        List<QueuedText> queued = new ArrayList<>(rows.size());
        for (ModelInput row : rows) {
            QueuedText text = new QueuedText(row, cost(row), arrival, input.priority());
            batcher.add(text);
            queued.add(text);
        }
        return queued.size() == 1 ? queued.get(0) : new WindowedText(queued, decoder);
    }

    /** Tokens of a row and of its answer, as long as answers to such a row have been so far. */
    private int cost(ModelInput row) {
        int length = row.text().length();
        if (generation == null) {
            return length;
        }
        long read = stats.realTokens();
        double ratio = read == 0 ? 1 : (double) stats.outputTokens() / read;
        double written = Math.min(row.maxNewTokens(), Math.ceil(ratio * length));
        return (int) Math.min(Math.max(length, maxBatchTokens), length + written);
    }

    /** The most that a row may cost. An answer too long for the budget is not the text's fault. */
    private int highestCost(int maxTokens) {
        return generation == null
                ? maxTokens
                : Math.max(
                        maxTokens,
                        Math.min(maxBatchTokens, maxTokens + generation.limit(maxTokens)));
    }

    /** Waits for runs in flight, then frees what is native. */
    @Override
    public void close() {
        batcher.close();
        DeviceSchedulers.release(device, runThreads);
        if (answers != null) {
            awaitEnd(answers);
        }
        models.forEach(LoadedModel::close);
        tokenizer.close();
        LOG.info("Closed {} ({})", bundle.manifest().name(), variant);
    }

    private static void awaitEnd(ExecutorService executor) {
        executor.shutdown();
        boolean interrupted = false;
        while (!executor.isTerminated()) {
            try {
                // Answers are short: this ends soon.
                executor.awaitTermination(1, TimeUnit.MINUTES);
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private int runThreads(Options options) {
        // A CUDA session keeps memory for every thread that ever ran it.
        return device.gpu() ? models.size() : ModelOptions.cpuRunThreads(options);
    }

    /** The batcher, which comes into being after its counters. */
    private final class Queue implements PipelineStats.Queue {
        @Override
        public int waiting(Priority priority) {
            return batcher.waiting(priority);
        }

        @Override
        public int inFlight() {
            return batcher.inFlight();
        }

        @Override
        public int tokenCeiling() {
            return batcher.tokenCeiling();
        }
    }
}
