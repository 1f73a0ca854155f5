package io.streamformer.it;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.streamformer.bundle.DecodingOptions;
import io.streamformer.engine.Answer;
import io.streamformer.engine.InferencePipeline;
import io.streamformer.engine.ModelOptions;
import io.streamformer.engine.PipelineStats;
import io.streamformer.engine.TextInput;
import io.streamformer.inference.Device;
import io.streamformer.options.Options;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;

/**
 * What the kit in {@code integration-tests/gpu} runs of Java: one line of JSON for each figure.
 *
 * <pre>
 * GpuRun golden DEVICE VARIANT TF32 BUNDLE...
 * GpuRun rate   DEVICE VARIANT BUNDLE TEXTS ROWS TOKENS BEAMS SECONDS
 * GpuRun memory DEVICE VARIANT BUNDLE TEXTS ROWS TOKENS LIMIT
 * </pre>
 */
public final class GpuRun {

    private static final JsonMapper JSON = new JsonMapper();
    private static final int SUBMITTERS = 4;

    private GpuRun() {}

    public static void main(String[] args) throws Exception {
        Device device = Device.parse(args[1]);
        Options options =
                Options.DEFAULTS
                        .with(ModelOptions.DEVICE, device)
                        .with(ModelOptions.VARIANT, args[2]);
        switch (args[0]) {
            case "golden" -> {
                Options exact =
                        options.with(
                                ModelOptions.PROVIDER_OPTIONS,
                                device.gpu() ? Map.of("use_tf32", args[3]) : Map.of());
                for (String bundle : List.of(args).subList(4, args.length)) {
                    golden(Path.of(bundle), exact);
                }
            }
            case "rate" -> {
                Options sized =
                        options.with(ModelOptions.MAX_ROWS, Integer.parseInt(args[5]))
                                .with(ModelOptions.MAX_TOKENS, Integer.parseInt(args[6]))
                                .with(
                                        DecodingOptions.NUM_BEAMS,
                                        args[7].equals("-") ? null : Integer.valueOf(args[7]));
                rate(
                        Path.of(args[3]),
                        sized,
                        Files.readAllLines(Path.of(args[4])),
                        Double.parseDouble(args[8]));
            }
            case "memory" -> {
                Options limited =
                        options.with(ModelOptions.MAX_ROWS, Integer.parseInt(args[5]))
                                .with(ModelOptions.MAX_TOKENS, Integer.parseInt(args[6]))
                                .with(
                                        ModelOptions.PROVIDER_OPTIONS,
                                        device.gpu() ? Map.of("gpu_mem_limit", args[7]) : Map.of());
                memory(Path.of(args[3]), limited, Files.readAllLines(Path.of(args[4])));
            }
            default -> throw new IllegalArgumentException("golden, rate or memory: " + args[0]);
        }
    }

    /** Loads a bundle, which replays its golden texts on the device. */
    private static void golden(Path bundle, Options options) {
        ObjectNode line =
                line("golden", bundle, options)
                        .put(
                                "provider_options",
                                options.get(ModelOptions.PROVIDER_OPTIONS).toString());
        long start = System.nanoTime();
        try (InferencePipeline pipeline = InferencePipeline.acquire(bundle, options)) {
            line.put("passed", true).put("variant", pipeline.variant());
        } catch (RuntimeException e) {
            line.put("passed", false).put("error", String.valueOf(e.getMessage()));
        }
        print(line.put("seconds", (System.nanoTime() - start) / 1e9));
    }

    /** Texts per second from tokenizing to decoded answers, as many under way as fill batches. */
    private static void rate(Path bundle, Options options, List<String> texts, double seconds)
            throws Exception {
        try (InferencePipeline pipeline = InferencePipeline.acquire(bundle, options)) {
            Semaphore room = new Semaphore(Math.max(4 * options.get(ModelOptions.MAX_ROWS), 4096));
            AtomicLong submitted = new AtomicLong();
            AtomicLong answered = new AtomicLong();
            AtomicLong tokens = new AtomicLong();
            AtomicReference<Throwable> failure = new AtomicReference<>();
            ExecutorService submitters = Executors.newFixedThreadPool(SUBMITTERS);
            for (int i = 0; i < SUBMITTERS; i++) {
                submitters.execute(
                        () -> {
                            try {
                                while (true) {
                                    room.acquire();
                                    int next = (int) (submitted.getAndIncrement() % texts.size());
                                    var unused =
                                            pipeline.submit(TextInput.of(texts.get(next)))
                                                    .whenComplete(
                                                            (answer, error) -> {
                                                                if (error != null) {
                                                                    failure.compareAndSet(
                                                                            null, error);
                                                                } else {
                                                                    tokens.addAndGet(
                                                                            answer.prediction()
                                                                                    .outputTokens());
                                                                }
                                                                answered.incrementAndGet();
                                                                room.release();
                                                            });
                                }
                            } catch (InterruptedException e) {
                                Thread.currentThread().interrupt();
                            }
                        });
            }
            // Some time warms up: the JVM's compiler, the arena, and what batching learns.
            Thread.sleep((long) (seconds * 1000 / 2));
            PipelineStats stats = pipeline.stats();
            long rows = stats.rows();
            long batches = stats.batches();
            long real = stats.realTokens();
            long padded = stats.paddedTokens();
            long before = answered.get();
            long written = tokens.get();
            long start = System.nanoTime();
            Thread.sleep((long) (seconds * 1000));
            double took = (System.nanoTime() - start) / 1e9;
            long count = answered.get() - before;
            long wrote = tokens.get() - written;
            double batchesRun = Math.max(1, stats.batches() - batches);
            ObjectNode line =
                    line("rate", bundle, options)
                            .put("texts_per_second", count / took)
                            .put("output_tokens_per_second", wrote / took)
                            .put("input_tokens_per_second", (stats.realTokens() - real) / took)
                            .put("rows_per_batch", (stats.rows() - rows) / batchesRun)
                            .put("batches_per_second", batchesRun / took)
                            .put(
                                    "padding_share",
                                    1
                                            - (double) (stats.realTokens() - real)
                                                    / Math.max(1, stats.paddedTokens() - padded))
                            .put("max_rows", options.get(ModelOptions.MAX_ROWS))
                            .put("max_tokens", options.get(ModelOptions.MAX_TOKENS));
            submitters.shutdownNow();
            if (failure.get() != null) {
                line.put("error", String.valueOf(failure.get()));
            }
            print(line);
        }
    }

    /** All texts at once, with less memory than full batches of them need. */
    private static void memory(Path bundle, Options options, List<String> texts) throws Exception {
        try (InferencePipeline pipeline = InferencePipeline.acquire(bundle, options)) {
            List<CompletableFuture<Answer>> answers = new ArrayList<>();
            for (String text : texts) {
                answers.add(pipeline.submit(TextInput.of(text)));
            }
            long failed = 0;
            String error = null;
            for (var answer : answers) {
                try {
                    answer.get();
                } catch (ExecutionException e) {
                    failed++;
                    error = String.valueOf(e.getCause());
                }
            }
            PipelineStats stats = pipeline.stats();
            print(
                    line("out-of-memory", bundle, options)
                            .put(
                                    "provider_options",
                                    options.get(ModelOptions.PROVIDER_OPTIONS).toString())
                            .put("texts", texts.size())
                            .put("failed_texts", failed)
                            .put("error", error)
                            .put("out_of_memory_runs", stats.outOfMemory())
                            .put("splits", stats.splits())
                            .put("batches", stats.batches())
                            .put("token_ceiling", stats.tokenCeiling()));
        }
    }

    private static ObjectNode line(String figure, Path bundle, Options options) {
        return JSON.createObjectNode()
                .put("figure", figure)
                .put("bundle", bundle.getFileName().toString())
                .put("variant", options.get(ModelOptions.VARIANT))
                .put("device", options.get(ModelOptions.DEVICE).toString())
                .put("beams", options.get(DecodingOptions.NUM_BEAMS));
    }

    private static void print(ObjectNode line) {
        System.out.println(line);
    }
}
