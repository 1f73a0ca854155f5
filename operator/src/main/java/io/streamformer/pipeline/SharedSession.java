package io.streamformer.pipeline;

import io.streamformer.batch.BatchLimits;
import io.streamformer.batch.MicroBatcher;
import io.streamformer.bundle.Bundle;
import io.streamformer.bundle.Manifest;
import io.streamformer.decode.Prediction;
import io.streamformer.decode.PredictionDecoder;
import io.streamformer.inference.GenerationOptions;
import io.streamformer.inference.ModelOptions;
import io.streamformer.inference.OrtModel;
import io.streamformer.pipeline.InferenceException.Stage;
import io.streamformer.tokenize.TokenizedText;
import io.streamformer.tokenize.Tokenizer;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A verified bundle that is being run: tokenizer, batcher and model, shared by its leases. */
final class SharedSession implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(SharedSession.class);

    private final Bundle bundle;
    private final String variant;
    private final int minimumCapacity;
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
                        options.maxDelay());
        GenerationOptions defaults =
                manifest.task().generates() ? GenerationOptions.of(manifest.decoding()) : null;
        GoldenReplay golden = new GoldenReplay(bundle, options.variant());
        List<TokenizedText> texts = golden.tokenize(tokenizer);
        golden.verify(
                texts,
                model.newRunner(),
                PredictionDecoder.of(bundle, tokenizer, defaults),
                defaults,
                limits.maxRows(),
                limits.maxTokens());

        GenerationOptions generation = defaults == null ? null : options.generation(defaults);
        PredictionDecoder decoder = PredictionDecoder.of(bundle, tokenizer, generation);
        int runThreads = runThreads(options);
        stats = new PipelineStats(this::waiting, this::inFlight);
        batcher =
                new MicroBatcher<>(
                        manifest.name(),
                        limits,
                        runThreads,
                        () ->
                                new PipelineRunner(
                                        model.newRunner(),
                                        decoder,
                                        generation,
                                        texts.get(0),
                                        stats));
        minimumCapacity = options.maxBatchRows() * (runThreads + 1);
        LOG.info(
                "Loaded {} {} ({}, bundle {}) on {} with {} run threads of {} intra-op threads",
                manifest.name(),
                manifest.version(),
                variant,
                bundle.hash().substring(0, 12),
                model.device(),
                runThreads,
                options.intraOpThreads());
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
        if (Tokenizer.isBlank(input.text())) {
            return failed(
                    Stage.VALIDATE,
                    "a text has more than white space and control characters, seen "
                            + input.text().length()
                            + " such characters",
                    null);
        }
        long start = System.nanoTime();
        TokenizedText text;
        try {
            text = tokenizer.tokenize(input.text(), input.textPair());
        } catch (RuntimeException e) {
            return failed(Stage.TOKENIZE, "the text could not be tokenized: " + e.getMessage(), e);
        }
        long arrival = System.nanoTime();
        stats.tokenizeTime.record(arrival - start);
        if (tokenizer.isEmpty(text)) {
            return failed(
                    Stage.VALIDATE,
                    "a text has at least one token that the model reads, seen none in "
                            + input.text().length()
                            + " characters",
                    null);
        }
        QueuedText queued = new QueuedText(text, arrival);
        batcher.add(queued);
        return queued;
    }

    /** Waits for runs in flight, then frees what is native. */
    @Override
    public void close() {
        batcher.close();
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

    private CompletableFuture<Prediction> failed(Stage stage, String message, Throwable cause) {
        stats.failures.increment();
        return CompletableFuture.failedFuture(new InferenceException(stage, message, cause));
    }
}
