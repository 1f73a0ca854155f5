package io.streamformer.engine;

import io.streamformer.batch.Priority;
import io.streamformer.bundle.Bundle;
import io.streamformer.bundle.BundleException;
import io.streamformer.bundle.GoldenText;
import io.streamformer.bundle.Manifest;
import io.streamformer.bundle.ProblemType;
import io.streamformer.inference.GenerationOptions;
import io.streamformer.inference.ModelException;
import io.streamformer.inference.ModelInput;
import io.streamformer.inference.ModelOutput;
import io.streamformer.task.Prediction;
import io.streamformer.task.PredictionDecoder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/** Holds a loaded bundle against the reference's answers, on the way that every text goes. */
final class GoldenReplay {

    private static final String NEXT_STEP =
            "compare with 'streamformer-export verify'; take another variant, or build the bundle"
                    + " again with this release";
    private static final int SHOWN_CHARACTERS = 60;

    /** From this probability up a label of a multi-label classification holds. */
    private static final float THRESHOLD = 0.5f;

    private final List<GoldenText> golden;
    private final Manifest.Tolerance tolerance;
    private final String variant;
    private final ProblemType problemType;

    GoldenReplay(Bundle bundle, String variant) {
        this.golden = bundle.goldenTexts();
        this.variant = bundle.variantName(variant);
        this.problemType = bundle.manifest().problemType();
        this.tolerance = bundle.variant(variant).tolerance();
    }

    /** The rows of each golden text; refuses ids that are not the golden ones. */
    List<List<ModelInput>> read(RowInputs reader, GenerationOptions generation) {
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
                                generation);
            } catch (InferenceException e) {
                throw new BundleException(
                        "every golden text can be read",
                        shown(text) + ": " + e.getMessage(),
                        NEXT_STEP,
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
                        NEXT_STEP);
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
     * @param model runs rows with the bundle's own defaults, whatever a job sets: the answers are
     *     of these
     */
    void verify(
            List<List<ModelInput>> texts,
            Function<List<ModelInput>, ModelOutput> model,
            PredictionDecoder decoder,
            int maxRows,
            int maxTokens) {
        List<ModelInput> rows = texts.stream().flatMap(List::stream).toList();
        List<Prediction> answers = answers(rows, model, decoder, maxRows, maxTokens);
        int equal = 0;
        int answered = 0;
        String firstDifference = "";
        for (int i = 0; i < texts.size(); i++) {
            GoldenText expected = golden.get(i);
            int windows = texts.get(i).size();
            List<Prediction> own = answers.subList(answered, answered + windows);
            answered += windows;
            String difference =
                    difference(expected, windows == 1 ? own.get(0) : decoder.merge(own));
            if (difference == null) {
                equal++;
            } else if (firstDifference.isEmpty()) {
                firstDifference = "; first " + difference + " for " + shown(expected);
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
                    NEXT_STEP);
        }
    }

    private static List<Prediction> answers(
            List<ModelInput> rows,
            Function<List<ModelInput>, ModelOutput> model,
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

    private static void answer(
            List<ModelInput> batch,
            Function<List<ModelInput>, ModelOutput> model,
            PredictionDecoder decoder,
            List<Prediction> answers) {
        ModelOutput output;
        try {
            output = model.apply(batch);
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

    /** What differs, in words; null where the answer counts as equal. */
    private String difference(GoldenText expected, Prediction actual) {
        if (actual instanceof Prediction.Generation generated) {
            return apart(generated.text(), expected.output());
        }
        if (actual instanceof Prediction.Entities entities) {
            return difference(expected, entities.entities());
        }
        if (actual instanceof Prediction.Answer answer) {
            GoldenText.Span wanted = expected.answer();
            String seen = place("", answer.start(), answer.end());
            String other = apart(seen, place("", wanted.start(), wanted.end()));
            if (other == null) {
                checkClose(expected, "the answer " + seen, wanted.score(), answer.score());
            }
            return other;
        }
        if (actual instanceof Prediction.Embedding embedding) {
            checkVector(expected, embedding.vector());
            return null;
        }
        Prediction.Classification classified = (Prediction.Classification) actual;
        Map<String, Float> scores =
                expected.scores() != null
                        ? expected.scores()
                        : Map.of(expected.label(), expected.score());
        scores.forEach(
                (label, score) ->
                        checkClose(
                                expected,
                                "the label " + label,
                                score,
                                classified.scores().get(label)));
        if (expected.scores() == null) {
            return apart(classified.label(), expected.label());
        }
        return problemType == ProblemType.REGRESSION
                ? null
                : apart(held(classified.scores()), held(expected.scores()));
    }

    /** The labels of a multi-label classification that hold. */
    private static String held(Map<String, Float> scores) {
        return scores.entrySet().stream()
                .filter(score -> score.getValue() >= THRESHOLD)
                .map(Map.Entry::getKey)
                .sorted()
                .toList()
                .toString();
    }

    /** As above, for entities; scores are those of the entities that both have. */
    private String difference(GoldenText expected, List<Prediction.Entity> actual) {
        Map<String, Float> seen = new LinkedHashMap<>();
        actual.forEach(e -> seen.put(place(e.label() + " ", e.start(), e.end()), e.score()));
        Map<String, Float> wanted = new LinkedHashMap<>();
        for (GoldenText.Span span : expected.entities()) {
            wanted.put(place(span.label() + " ", span.start(), span.end()), span.score());
        }
        wanted.forEach(
                (entity, score) -> {
                    if (seen.containsKey(entity)) {
                        checkClose(expected, "the entity " + entity, score, seen.get(entity));
                    }
                });
        return apart(seen.keySet().toString(), wanted.keySet().toString());
    }

    private void checkVector(GoldenText expected, float[] actual) {
        float[] wanted = expected.embedding();
        if (wanted.length != actual.length) {
            throw new BundleException(
                    "the embedding of " + shown(expected) + " has " + wanted.length + " numbers",
                    String.valueOf(actual.length),
                    NEXT_STEP);
        }
        for (int i = 0; i < wanted.length; i++) {
            checkClose(expected, "number " + i + " of the embedding", wanted[i], actual[i]);
        }
    }

    /** Refuses a score that differs by more than the tolerance; null is a score that is missing. */
    private void checkClose(GoldenText text, String what, float wanted, Float actual) {
        if (actual == null || Math.abs(actual - wanted) > tolerance.score()) {
            throw new BundleException(
                    "variant "
                            + variant
                            + " gives "
                            + what
                            + " of "
                            + shown(text)
                            + " the score "
                            + wanted
                            + " within "
                            + tolerance.score(),
                    actual == null ? "none" : actual.toString(),
                    NEXT_STEP);
        }
    }

    private static String place(String label, int start, int end) {
        return label + start + ".." + end;
    }

    private static String apart(String actual, String expected) {
        return actual.equals(expected) ? null : "'" + actual + "' instead of '" + expected + "'";
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
