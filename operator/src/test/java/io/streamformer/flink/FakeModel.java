package io.streamformer.flink;

import io.streamformer.bundle.Manifest;
import io.streamformer.bundle.Task;
import io.streamformer.decode.Prediction;
import io.streamformer.pipeline.TextInput;
import io.streamformer.schemas.ModelReference;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.apache.flink.api.common.functions.RuntimeContext;

/** A model whose answers the test gives by hand. */
final class FakeModel implements Model {

    /** The model that the operators of the running test open. */
    private static FakeModel current;

    final List<TextInput> inputs = new ArrayList<>();
    final List<CompletableFuture<Prediction>> futures = new ArrayList<>();
    private final Manifest manifest;
    int opened;
    int closed;
    int minimumCapacity = 2;

    FakeModel(Manifest manifest) {
        this.manifest = manifest;
        current = this;
    }

    static FakeModel classifier() {
        return new FakeModel(manifest(Task.TEXT_CLASSIFICATION));
    }

    static FakeModel translator() {
        return new FakeModel(manifest(Task.TRANSLATION));
    }

    /** A source without a state of its own, as Flink wants to write it down. */
    record Current() implements Source {
        @Override
        public Model open(RuntimeContext context) {
            current.opened++;
            return current;
        }
    }

    static Manifest manifest(Task task) {
        boolean translates = task == Task.TRANSLATION;
        return new Manifest(
                1,
                translates ? "translation-en-fr" : "sentiment-en",
                "1",
                task,
                "tiny",
                null,
                List.of("en"),
                translates ? List.of("fr") : List.of(),
                translates ? List.of() : List.of("negative", "positive"),
                null,
                null,
                null,
                null,
                null,
                new Manifest.TokenizerFiles(
                        "tokenizer.json", null, 0, null, null, List.of(), null, null),
                new Manifest.Limits(16, null),
                translates
                        ? new Manifest.Decoding(
                                2.0,
                                0,
                                null,
                                null,
                                List.of(1),
                                null,
                                null,
                                null,
                                null,
                                Map.of(
                                        "num_beams", 1,
                                        "length_penalty", 1f,
                                        "max_new_tokens", 8,
                                        "min_new_tokens", 0))
                        : null,
                List.of(),
                List.of(),
                "fp32",
                Map.of(
                        "fp32",
                        new Manifest.Variant(
                                "model.fp32.onnx", null, new Manifest.Tolerance(0, 1), Map.of())),
                "golden.jsonl",
                Map.of("tokenizer.json", "0", "model.fp32.onnx", "0", "golden.jsonl", "0"),
                "none",
                "none",
                null);
    }

    void answer(int index) {
        futures.get(index).complete(prediction(inputs.get(index).text()));
    }

    void answerAll() {
        for (int i = 0; i < futures.size(); i++) {
            answer(i);
        }
    }

    private Prediction prediction(String text) {
        return manifest.task() == Task.TRANSLATION
                ? new Prediction.Generation(
                        "fr:" + text, -1f, List.of(), List.of(), List.of(), 3, 4, false)
                : new Prediction.Classification(
                        text, 0.75f, Map.of(text, 0.75f), 3, text.startsWith("long"));
    }

    @Override
    public Manifest manifest() {
        return manifest;
    }

    @Override
    public ModelReference reference() {
        return Records.MODEL;
    }

    @Override
    public int minimumCapacity() {
        return minimumCapacity;
    }

    @Override
    public CompletableFuture<Prediction> submit(TextInput input) {
        CompletableFuture<Prediction> future = new CompletableFuture<>();
        inputs.add(input);
        futures.add(future);
        return future;
    }

    @Override
    public void close() {
        closed++;
    }
}
