package io.streamformer.engine;

import io.streamformer.batch.Priority;
import io.streamformer.bundle.Bundle;
import io.streamformer.bundle.BundleException;
import io.streamformer.bundle.GoldenText;
import io.streamformer.bundle.Manifest;
import io.streamformer.inference.GenerationOptions;
import io.streamformer.inference.ModelException;
import io.streamformer.inference.ModelInput;
import io.streamformer.inference.ModelOutput;
import io.streamformer.inference.ModelRunner;
import io.streamformer.task.GoldenAnswer;
import io.streamformer.task.GoldenCheck;
import io.streamformer.task.Prediction;
import io.streamformer.task.PredictionDecoder;
import io.streamformer.task.TaskDefinition;
import io.streamformer.tokenize.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Holds a loaded bundle against the reference's answers, on the way that every text goes. */
final class GoldenReplay {

    private static final int SHOWN_CHARACTERS = 60;

    private final List<GoldenText> golden;
    private final List<GoldenAnswer> wanted;
    private final Manifest.Tolerance tolerance;
    private final String variant;
    private final Bundle bundle;

    /** How the golden answers were searched for; null for a model that does not generate. */
    private final GenerationOptions search;

    GoldenReplay(Bundle bundle, String variant) {
        this.bundle = bundle;
        this.golden = bundle.goldenTexts();
        this.search =
                bundle.manifest().task().generates()
                        ? GenerationOptions.searching(bundle.manifest().decoding())
                        : null;
        TaskDefinition task = TaskDefinition.of(bundle.manifest().task());
        this.wanted = golden.stream().map(text -> task.golden(text, bundle)).toList();
        this.variant = bundle.variantName(variant);
        this.tolerance = bundle.variant(variant).tolerance();
    }

    /** The rows of each golden text; refuses ids that are not the golden ones. */
    List<List<ModelInput>> read(RowInputs reader) {
        List<List<ModelInput>> inputs = new ArrayList<>();
        for (GoldenText text : golden) {
            List<ModelInput> windows;
            try {
                windows =
                        reader.read(
                                new TextInput(
                                        text.text(),
                                        text.textPair(),
                                        text.language(),
                                        text.targetLanguage(),
                                        null,
                                        null,
                                        Priority.NORMAL),
                                search);
            } catch (InferenceException e) {
                throw new BundleException(
                        "every golden text can be read",
                        shown(text) + ": " + e.getMessage(),
                        GoldenCheck.NEXT_STEP,
                        e);
            }
            long[] ids = windows.get(0).text().ids();
            long[] expected = Arrays.stream(text.inputIds()).asLongStream().toArray();
            if (!Arrays.equals(expected, ids)) {
                throw new BundleException(
                        "the tokenizer gives the golden ids "
                                + Arrays.toString(expected)
                                + " for "
                                + shown(text),
                        Arrays.toString(ids),
                        GoldenCheck.NEXT_STEP);
            }
            inputs.add(windows);
        }
        return inputs;
    }

    /**
     * Runs the golden texts in batches and compares the answers within the variant's tolerance.
     *
     * <p>As with a job's texts, a batch that does not fit into the device's memory runs in halves.
     *
     * <p>Rows run with the bundle's own defaults, whatever a job sets: the answers are of these.
     */
    void verify(
            List<List<ModelInput>> texts,
            ModelRunner model,
            Tokenizer tokenizer,
            int maxRows,
            int maxTokens) {
        PredictionDecoder decoder =
                TaskDefinition.of(bundle.manifest().task()).decoder(bundle, tokenizer, search);
        List<ModelInput> rows = texts.stream().flatMap(List::stream).toList();
        List<Prediction> answers = answers(rows, model, decoder, maxRows, maxTokens);
        int equal = 0;
        int answered = 0;
        String firstDifference = "";
        for (int i = 0; i < texts.size(); i++) {
            String text = shown(golden.get(i));
            int windows = texts.get(i).size();
            List<Prediction> own = answers.subList(answered, answered + windows);
            answered += windows;
            String difference =
                    wanted.get(i)
                            .difference(
                                    windows == 1 ? own.get(0) : decoder.merge(own),
                                    new GoldenCheck(variant, tolerance.score(), text));
            if (difference == null) {
                equal++;
            } else if (firstDifference.isEmpty()) {
                firstDifference = "; first " + difference + " for " + text;
            }
        }
        double share = (double) equal / texts.size();
        if (share < tolerance.equalShare()) {
            throw new BundleException(
                    "variant "
                            + variant
                            + " gives the golden answer for a share of at least "
                            + tolerance.equalShare(),
                    share + " (" + equal + " of " + texts.size() + ")" + firstDifference,
                    GoldenCheck.NEXT_STEP);
        }
    }

    private List<Prediction> answers(
            List<ModelInput> rows,
            ModelRunner model,
            PredictionDecoder decoder,
            int maxRows,
            int maxTokens) {
        List<Prediction> answers = new ArrayList<>();
        int from = 0;
        while (from < rows.size()) {
            int to = from;
            int longest = 0;
            while (to < rows.size()
                    && to - from < maxRows
                    && (long) Math.max(longest, rows.get(to).text().length()) * (to - from + 1)
                            <= maxTokens) {
                longest = Math.max(longest, rows.get(to).text().length());
                to++;
            }
            answer(rows.subList(from, to), model, decoder, answers);
            from = to;
        }
        return answers;
    }

    private void answer(
            List<ModelInput> batch,
            ModelRunner model,
            PredictionDecoder decoder,
            List<Prediction> answers) {
        ModelOutput output;
        try {
            output = model.run(batch, search);
        } catch (ModelException e) {
            if (!e.outOfMemory() || batch.size() == 1) {
                throw e;
            }
            int half = batch.size() / 2;
            answer(batch.subList(0, half), model, decoder, answers);
            answer(batch.subList(half, batch.size()), model, decoder, answers);
            return;
        }
        for (int i = 0; i < batch.size(); i++) {
            answers.add(decoder.decode(output, i, batch.get(i)));
        }
    }

    private static String shown(GoldenText text) {
        String shown = text.text();
        return "'"
                + (shown.length() <= SHOWN_CHARACTERS
                        ? shown
                        : shown.substring(0, SHOWN_CHARACTERS) + "…")
                + "'";
    }
}
