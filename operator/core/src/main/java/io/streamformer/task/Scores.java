package io.streamformer.task;

import io.streamformer.bundle.BundleException;
import java.util.List;

/** Logits to probabilities; a stretch of an array in, an array of its own out. */
final class Scores {

    private Scores() {}

    /** Probabilities that add up to 1. */
    static float[] softmax(float[] logits, int from, int count) {
        double highest = Double.NEGATIVE_INFINITY;
        for (int i = 0; i < count; i++) {
            highest = Math.max(highest, logits[from + i]);
        }
        double sum = 0;
        for (int i = 0; i < count; i++) {
            sum += Math.exp(logits[from + i] - highest);
        }
        float[] scores = new float[count];
        for (int i = 0; i < count; i++) {
            scores[i] = (float) (Math.exp(logits[from + i] - highest) / sum);
        }
        return scores;
    }

    /** Probabilities that do not know of each other. */
    static float[] sigmoid(float[] logits, int from, int count) {
        float[] scores = new float[count];
        for (int i = 0; i < count; i++) {
            scores[i] = (float) (1 / (1 + Math.exp(-(double) logits[from + i])));
        }
        return scores;
    }

    /** Index of the highest score, the first of equal ones. */
    static int best(float[] scores) {
        int best = 0;
        for (int i = 1; i < scores.length; i++) {
            if (scores[i] > scores[best]) {
                best = i;
            }
        }
        return best;
    }

    static void checkFinite(float value, String what) {
        if (!Float.isFinite(value)) {
            throw new ArithmeticException(
                    what + " must be finite numbers, but one is " + value + ".");
        }
    }

    static void checkLabels(int count, List<String> labels) {
        if (count != labels.size()) {
            throw new BundleException(
                    "the graph gives one logit for each of the labels " + labels,
                    count + " logits",
                    "build the bundle again with 'streamformer-export export'");
        }
    }
}
