package io.streamformer.pipeline;

import io.streamformer.bundle.Bundle;
import io.streamformer.bundle.BundleException;
import io.streamformer.bundle.GoldenText;
import io.streamformer.bundle.Manifest;
import io.streamformer.decode.Prediction;
import io.streamformer.decode.PredictionDecoder;
import io.streamformer.inference.GenerationOptions;
import io.streamformer.inference.ModelOutput;
import io.streamformer.inference.ModelRunner;
import io.streamformer.tokenize.TokenizedText;
import io.streamformer.tokenize.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Holds a loaded bundle against the reference's answers, on the way that every text goes. */
final class GoldenReplay {

    private static final String NEXT_STEP =
            "compare with 'streamformer-export verify'; take another variant, or build the bundle"
                    + " again with this release";
    private static final int SHOWN_CHARACTERS = 60;

    private final List<GoldenText> golden;
    private final Manifest.Tolerance tolerance;
    private final String variant;

    GoldenReplay(Bundle bundle, String variant) {
        this.golden = bundle.goldenTexts();
        this.variant = bundle.variantName(variant);
        this.tolerance = bundle.variant(variant).tolerance();
    }

    /** The golden texts as the bundle's tokenizer gives them; refuses other ids. */
    List<TokenizedText> tokenize(Tokenizer tokenizer) {
        List<TokenizedText> texts = new ArrayList<>();
        for (GoldenText text : golden) {
            TokenizedText tokenized = tokenizer.tokenize(text.text(), text.textPair());
            long[] expected = Arrays.stream(text.inputIds()).asLongStream().toArray();
            if (!Arrays.equals(expected, tokenized.ids())) {
                throw new BundleException(
                        "the tokenizer gives the golden ids "
                                + Arrays.toString(expected)
                                + " for "
                                + shown(text),
                        Arrays.toString(tokenized.ids()),
                        NEXT_STEP);
            }
            texts.add(tokenized);
        }
        return texts;
    }

    /**
     * Runs the golden texts in batches and compares the answers within the variant's tolerance.
     *
     * @param generation the bundle's own defaults, whatever a job sets: the answers are theirs
     */
    void verify(
            List<TokenizedText> texts,
            ModelRunner model,
            PredictionDecoder decoder,
            GenerationOptions generation,
            int maxRows,
            int maxTokens) {
        int equal = 0;
        String firstDifference = "";
        int from = 0;
        while (from < texts.size()) {
            int to = from;
            int longest = 0;
            while (to < texts.size()
                    && to - from < maxRows
                    && (long) Math.max(longest, texts.get(to).length()) * (to - from + 1)
                            <= maxTokens) {
                longest = Math.max(longest, texts.get(to).length());
                to++;
            }
            List<TokenizedText> batch = texts.subList(from, to);
            ModelOutput output = model.run(batch, generation);
            for (int i = 0; i < batch.size(); i++) {
                GoldenText expected = golden.get(from + i);
                String difference = difference(expected, decoder.decode(output, i, batch.get(i)));
                if (difference == null) {
                    equal++;
                } else if (firstDifference.isEmpty()) {
                    firstDifference = "; first " + difference + " for " + shown(expected);
                }
            }
            from = to;
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

    /** What differs, in words; null where the answer counts as equal. */
    private String difference(GoldenText expected, Prediction actual) {
        if (actual instanceof Prediction.Generation generated) {
            return generated.text().equals(expected.output())
                    ? null
                    : "'" + generated.text() + "' instead of '" + expected.output() + "'";
        }
        Prediction.Classification classified = (Prediction.Classification) actual;
        Float score = classified.scores().get(expected.label());
        if (score == null || Math.abs(score - expected.score()) > tolerance.score()) {
            throw new BundleException(
                    "variant "
                            + variant
                            + " gives "
                            + shown(expected)
                            + " the label "
                            + expected.label()
                            + " with probability "
                            + expected.score()
                            + " within "
                            + tolerance.score(),
                    score == null ? "no such label" : score.toString(),
                    NEXT_STEP);
        }
        return classified.label().equals(expected.label())
                ? null
                : classified.label() + " instead of " + expected.label();
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
