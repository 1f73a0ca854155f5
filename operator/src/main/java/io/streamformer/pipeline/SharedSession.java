package io.streamformer.pipeline;

import io.streamformer.batch.BatchLimits;
import io.streamformer.batch.DeviceScheduler;
import io.streamformer.batch.MicroBatcher;
import io.streamformer.bundle.Bundle;
import io.streamformer.bundle.Manifest;
import io.streamformer.decode.Prediction;
import io.streamformer.decode.PredictionDecoder;
import io.streamformer.inference.GenerationOptions;
import io.streamformer.inference.ModelInput;
import io.streamformer.inference.ModelOptions;
import io.streamformer.inference.OrtModel;
import io.streamformer.tokenize.Tokenizer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A verified bundle that is being run: tokenizer, batcher and model, shared by its leases. */
final class SharedSession implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(SharedSession.class);

    private final Bundle bundle;
    private final String variant;
    private final int runThreads;
    private final int minimumCapacity;
    private final RowInputs inputs;
    private final GenerationOptions generation;
    private final PredictionDecoder decoder;
    private final Tokenizer tokenizer;
    private final OrtModel model;
    private final MicroBatcher<QueuedText> batcher;
    private final PipelineStats stats;

    private SharedSession(
            Bundle bundle, PipelineOptions options, Tokenizer tokenizer, OrtModel model) {
        Manifest manifest = bundle.manifest();
        this.bundle = bundle;
        this.variant = bundle.variantName(options.variant());
        this.tokenizer = tokenizer;
        this.model = model;

        BatchLimits limits =
                new BatchLimits(
                        options.maxBatchRows(),
                        options.maxBatchTokens(),
                        manifest.limits().maxTokens(),
                        options.maxDelay(),
                        options.maxBatchTime());
        options.checkFits(manifest);
        Manifest.Decoding decoding = manifest.decoding();
        boolean generates = manifest.task().generates();
        GenerationOptions search = generates ? GenerationOptions.searching(decoding) : null;
        inputs = new RowInputs(manifest, tokenizer);
        GoldenReplay golden = new GoldenReplay(bundle, options.variant());
        List<List<ModelInput>> texts = golden.read(inputs, search);
        golden.verify(
                texts,
                model.newRunner(),
                PredictionDecoder.of(bundle, tokenizer, search),
                search,
                limits.maxRows(),
                limits.maxTokens());

        generation = generates ? options.generation(GenerationOptions.of(decoding)) : null;
        decoder = PredictionDecoder.of(bundle, tokenizer, generation);
        runThreads = runThreads(options);
        stats = new PipelineStats(this::waiting, this::inFlight);
        DeviceScheduler scheduler = DeviceSchedulers.lease(model.device(), runThreads);
        try {
            batcher =
                    new MicroBatcher<>(
                            scheduler,
                            limits,
                            () ->
                                    new PipelineRunner(
                                            model.newRunner(),
                                            decoder,
                                            generation,
                                            texts.get(0).get(0),
                                            stats));
        } catch (RuntimeException e) {
            DeviceSchedulers.release(model.device(), runThreads);
            throw e;
        }
        minimumCapacity = options.maxBatchRows() * (runThreads + 1);
        LOG.info(
                "Loaded {} {} ({}, bundle {}) on {} with {} run threads of {} intra-op threads{}",
                manifest.name(),
                manifest.version(),
                variant,
                bundle.hash().substring(0, 12),
                model.device(),
                runThreads,
                options.intraOpThreads(),
                measured(bundle.variant(variant)));
    }

    /** What was measured of a variant when it was made, in words; nothing where nothing was. */
    private static String measured(Manifest.Variant variant) {
        return variant.figures().isEmpty() ? "" : "; measured " + variant.figures();
    }

    /** Loads a bundle and replays its golden texts. */
    static SharedSession open(Bundle bundle, PipelineOptions options) {
        Tokenizer tokenizer = Tokenizer.load(bundle);
        try {
            OrtModel model =
                    OrtModel.load(
                            bundle,
                            new ModelOptions(
                                    options.variant(),
                                    options.device(),
                                    options.intraOpThreads(),
                                    options.providerOptions()));
            try {
                return new SharedSession(bundle, options, tokenizer, model);
            } catch (RuntimeException e) {
                model.close();
                throw e;
            }
        } catch (RuntimeException e) {
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

    CompletableFuture<Prediction> submit(TextInput input) {
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
            QueuedText text = new QueuedText(row, arrival, input.priority());
            batcher.add(text);
            queued.add(text);
        }
        return queued.size() == 1 ? queued.get(0) : new WindowedText(queued, decoder);
    }

    /** Waits for runs in flight, then frees what is native. */
    @Override
    public void close() {
        batcher.close();
        DeviceSchedulers.release(model.device(), runThreads);
        model.close();
        tokenizer.close();
        LOG.info("Closed {} ({})", bundle.manifest().name(), variant);
    }

    private int waiting() {
        return batcher.waiting();
    }

    private int inFlight() {
        return batcher.inFlight();
    }

    private int runThreads(PipelineOptions options) {
        if (model.device().cuda()) {
            // A CUDA session keeps memory for every thread that ever ran it.
            return 1;
        }
        return options.runThreads() > 0
                ? options.runThreads()
                : Math.max(
                        1, Runtime.getRuntime().availableProcessors() / options.intraOpThreads());
    }
}
