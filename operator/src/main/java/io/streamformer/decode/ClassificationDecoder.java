package io.streamformer.decode;

import io.streamformer.bundle.BundleException;
import io.streamformer.inference.ModelOutput;
import io.streamformer.tokenize.TokenizedText;
import java.util.List;

/** Logits to the probability of each label, by softmax. */
final class ClassificationDecoder implements PredictionDecoder {

    private final List<String> labels;

    ClassificationDecoder(List<String> labels) {
        this.labels = labels;
    }

    @Override
    public Prediction decode(ModelOutput output, int row, TokenizedText text) {
        ModelOutput.Logits logits = (ModelOutput.Logits) output;
        int count = logits.labels();
        if (count != labels.size()) {
            throw new BundleException(
                    "the graph gives one logit for each of the labels " + labels,
                    count + " logits",
                    "build the bundle again with 'streamformer-export export'");
        }
        int from = row * count;
        int best = 0;
        for (int i = 1; i < count; i++) {
            if (logits.values()[from + i] > logits.values()[from + best]) {
                best = i;
            }
        }
        double highest = logits.values()[from + best];
        double sum = 0;
        for (int i = 0; i < count; i++) {
            sum += Math.exp(logits.values()[from + i] - highest);
        }
        float[] scores = new float[count];
        for (int i = 0; i < count; i++) {
            scores[i] = (float) (Math.exp(logits.values()[from + i] - highest) / sum);
        }
        if (!Float.isFinite(scores[best])) {
            throw new ArithmeticException(
                    "logits are finite numbers, seen " + logits.values()[from + best]);
        }
        return new Prediction.Classification(
                labels.get(best),
                scores[best],
                new LabelScores(labels, scores),
                text.length(),
                text.truncated());
    }
}
