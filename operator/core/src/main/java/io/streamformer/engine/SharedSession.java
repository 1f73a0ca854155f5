package io.streamformer.engine;

import io.streamformer.batch.BatchLimits;
import io.streamformer.batch.DeviceScheduler;
import io.streamformer.batch.MicroBatcher;
import io.streamformer.batch.Priority;
import io.streamformer.batch.RuntimeThreads;
import io.streamformer.bundle.Bundle;
import io.streamformer.bundle.Manifest;
import io.streamformer.inference.Device;
import io.streamformer.inference.GenerationOptions;
import io.streamformer.inference.InferenceEngine;
import io.streamformer.inference.LoadedModel;
import io.streamformer.inference.ModelInput;
import io.streamformer.options.Options;
import io.streamformer.task.PredictionDecoder;
import io.streamformer.task.TaskDefinition;
import io.streamformer.tokenize.Tokenizer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A verified bundle that is being run: tokenizer, batcher and model, shared by its leases. */
final class SharedSession implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(SharedSession.class);

    /** How long closing waits for the last texts to be tokenized, and the last answers read. */
    private static final Duration PATIENCE = Duration.ofSeconds(20);

    private final Bundle bundle;
    private final String variant;
    private final Device device;
    private final DeviceSchedulers schedulers;
    private final int minimumCapacity;
    private final int maxBatchTokens;
    private final RowInputs inputs;
    private final GenerationOptions generation;
    private final PredictionDecoder decoder;
    private final Tokenizer tokenizer;
    private final List<LoadedModel> models;
    private final ExecutorService answers;

    /** Null where the sender's thread tokenizes. */
    private final ExecutorService tokenizers;

    private final MicroBatcher<QueuedText> batcher;
    private final PipelineStats stats;
    private final LengthRatio answerLengths = new LengthRatio();
    private final ResultCache cache;
    private final EqualTexts equalTexts = new EqualTexts();

    private SharedSession(
            Bundle bundle, Options options, Tokenizer tokenizer, DeviceModels opened) {
        Manifest manifest = bundle.manifest();
        this.bundle = bundle;
        this.variant = opened.variant();
        this.tokenizer = tokenizer;
        models = opened.models();
        device = together(models);

        boolean generates = manifest.task().generates();
        generation = generates ? GenerationOptions.of(options, manifest.decoding()) : null;
        maxBatchTokens = options.get(ModelOptions.MAX_TOKENS);
        BatchLimits limits =
                new BatchLimits(
                        options.get(ModelOptions.MAX_ROWS),
                        maxBatchTokens,
                        highestCost(manifest.limits().maxTokens()),
                        options.get(ModelOptions.MAX_DELAY),
                        longestRun(options));
        inputs = new RowInputs(manifest, tokenizer);
        GoldenReplay golden = new GoldenReplay(bundle, variant);
        List<List<ModelInput>> texts = golden.read(inputs);
        for (LoadedModel model : models) {
            golden.verify(
                    texts, model.newRunner(), tokenizer, limits.maxRows(), limits.maxTokens());
        }

        TaskDefinition task = TaskDefinition.of(manifest.task());
        decoder = task.decoder(bundle, tokenizer, generation);
        Answer.ServedModel served = new Answer.ServedModel(manifest, variant, bundle.hash());
        List<String> lanes = lanes(options);
        stats = new PipelineStats(new Queue());
        long cacheBytes = options.get(ModelOptions.CACHE_MAX_BYTES);
        cache = cacheBytes == 0 ? null : new ResultCache(cacheBytes);
        // A GPU goes on with the next batch while the CPU makes words of the last one; with a CPU
        // both would share the same cores.
        answers = device.gpu() ? threads("answers", 1) : null;
        // One core cannot tokenize as fast as a GPU reads, and a Flink task has one. With a CPU all
        // cores are the model's, and another thread would only add a hand-over.
        tokenizers =
                device.gpu()
                        ? threads("tokenize", Runtime.getRuntime().availableProcessors())
                        : null;
        schedulers = device.gpu() ? DeviceSchedulers.GPU : DeviceSchedulers.CPU;
        DeviceScheduler scheduler = schedulers.lease();
        try {
            batcher =
                    new MicroBatcher<>(
                            scheduler,
                            limits,
                            options.get(ModelOptions.RUN_TIMEOUT),
                            lanes,
                            lane ->
                                    new PipelineRunner(
                                            models.get(lane % models.size()).newRunner(),
                                            decoder,
                                            generation,
                                            texts.get(0).get(0),
                                            served,
                                            stats,
                                            answers == null ? Runnable::run : answers));
        } catch (RuntimeException | Error e) {
            schedulers.release();
            pools().forEach(ExecutorService::shutdown);
            throw e;
        }
        minimumCapacity = options.get(ModelOptions.MAX_ROWS) * (lanes.size() + 1);
        LOG.info(
                "Loaded {} {} ({}, bundle {}) on {} with {} run threads of {} intra-op threads{}",
                manifest.name(),
                manifest.version(),
                variant,
                bundle.hash().substring(0, 12),
                device,
                lanes.size(),
                options.get(ModelOptions.INTRA_OP_THREADS),
                measured(bundle.variant(variant)));
    }

    /** Threads that end when they have nothing to do for a while. */
    private static ExecutorService threads(String name, int count) {
        ThreadPoolExecutor pool =
                new ThreadPoolExecutor(
                        count,
                        count,
                        1,
                        TimeUnit.MINUTES,
                        new LinkedBlockingQueue<>(),
                        work -> RuntimeThreads.daemon("streamformer-" + name, work));
        pool.allowCoreThreadTimeOut(true);
        return pool;
    }

    /** The threads beside the run threads. */
    private List<ExecutorService> pools() {
        return Stream.of(tokenizers, answers).filter(Objects::nonNull).toList();
    }

    /** The device of all models: the CPU, or the GPUs. */
    private static Device together(List<LoadedModel> models) {
        Device first = models.get(0).device();
        return new Device(
                first.provider(),
                models.stream().flatMap(model -> model.device().indexes().stream()).toList(),
                first.required());
    }

    /** What was measured of a variant when it was made, in words; nothing where nothing was. */
    private static String measured(Manifest.Variant variant) {
        return variant.figures().isEmpty() ? "" : "; measured " + variant.figures();
    }

    /** Loads a bundle, once for each GPU, and replays its golden texts. */
    static SharedSession open(Bundle bundle, Options options, InferenceEngine engine) {
        ModelOptions.checkFits(options, bundle.manifest());
        Tokenizer tokenizer = Tokenizer.load(bundle);
        DeviceModels models;
        try {
            models = DeviceModels.open(bundle, options, engine);
        } catch (RuntimeException | Error e) {
            tokenizer.close();
            throw e;
        }
        try {
            return new SharedSession(bundle, options, tokenizer, models);
        } catch (RuntimeException | Error e) {
            models.close();
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

    CompletableFuture<Answer> submit(TextInput input, Duration timeout) {
        if (cache == null) {
            return queue(input, timeout);
        }
        Answer known = cache.find(input);
        if (known != null) {
            stats.cacheHits.increment();
            return CompletableFuture.completedFuture(known);
        }
        stats.cacheMisses.increment();
        return equalTexts.join(input, timeout, () -> queueAndKeep(input, timeout));
    }

    private CompletableFuture<Answer> queueAndKeep(TextInput input, Duration timeout) {
        CompletableFuture<Answer> answer = queue(input, timeout);
        var unused = answer.thenAccept(prediction -> cache.put(input, prediction));
        return answer;
    }

    private CompletableFuture<Answer> queue(TextInput input, Duration timeout) {
        long arrival = System.nanoTime();
        return tokenizers == null
                ? tokenizeAndAdd(input, timeout, arrival)
                : new HandOver(tokenizers, () -> tokenizeAndAdd(input, timeout, arrival));
    }

    /**
     * Tokenizes a text and queues its rows.
     *
     * @param arrival when it came; texts that several threads tokenize keep their turn by it
     */
    private CompletableFuture<Answer> tokenizeAndAdd(
            TextInput input, Duration timeout, long arrival) {
        long start = System.nanoTime();
        List<ModelInput> rows;
        try {
            rows = inputs.read(input, generation);
        } catch (InferenceException e) {
            stats.failures.increment();
            return CompletableFuture.failedFuture(e);
        }
        stats.tokenizeTime.record(System.nanoTime() - start);
        List<QueuedText> queued = new ArrayList<>(rows.size());
        for (ModelInput row : rows) {
            QueuedText text = new QueuedText(row, cost(row), arrival, input.priority(), timeout);
            batcher.add(text);
            queued.add(text);
        }
        return queued.size() == 1 ? queued.get(0) : new WindowedText(queued, decoder);
    }

    /** Tokens of a row and of its answer, as long as answers to such a row have been lately. */
    private int cost(ModelInput row) {
        int length = row.text().length();
        if (generation == null) {
            return length;
        }
        double ratio = answerLengths.of(stats.realTokens(), stats.outputTokens());
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

    /** Why the session answers no text any more, such as a run that hung; null while it does. */
    RuntimeException failure() {
        return batcher.failure();
    }

    /**
     * Waits a while for runs in flight, then frees what is native. A model that is still being run
     * is not closed: that would end the process.
     */
    @Override
    public void close() {
        boolean ended = tokenizers == null || awaitEnd(tokenizers);
        batcher.close();
        schedulers.release();
        ended &= answers == null || awaitEnd(answers);
        if (!ended || batcher.inFlight() > 0) {
            LOG.error(
                    "A run of {} ({}) does not end. Its model stays in memory; restart the"
                            + " TaskManager to free it.",
                    bundle.manifest().name(),
                    variant);
            return;
        }
        models.forEach(LoadedModel::close);
        tokenizer.close();
        LOG.info("Closed {} ({})", bundle.manifest().name(), variant);
    }

    /** Waits a while for the last work of threads; false where it does not end. */
    private static boolean awaitEnd(ExecutorService executor) {
        executor.shutdown();
        boolean interrupted = false;
        long end = System.nanoTime() + PATIENCE.toNanos();
        for (long left = PATIENCE.toNanos();
                left > 0 && !executor.isTerminated();
                left = end - System.nanoTime()) {
            try {
                executor.awaitTermination(left, TimeUnit.NANOSECONDS);
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        return executor.isTerminated();
    }

    /** The device of each run thread. */
    private List<String> lanes(Options options) {
        if (!device.gpu()) {
            return Collections.nCopies(ModelOptions.cpuRunThreads(options), "cpu");
        }
        // One each: a CUDA session keeps memory for every thread that ever ran it.
        return models.stream().map(m -> "gpu-" + m.device().indexes().get(0)).toList();
    }

    /** Batches get smaller where runs come near to being ended. */
    private static Duration longestRun(Options options) {
        Duration wanted = options.get(ModelOptions.MAX_TIME);
        Duration most = options.get(ModelOptions.RUN_TIMEOUT).dividedBy(2);
        return wanted.isZero() || wanted.compareTo(most) > 0 ? most : wanted;
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

        @Override
        public long oldestRunNanos() {
            return batcher.oldestRunNanos();
        }
    }
}
