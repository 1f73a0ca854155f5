package io.streamformer.task;

import io.streamformer.bundle.ProblemType;
import io.streamformer.inference.ModelInput;
import io.streamformer.inference.ModelOutput;
import java.util.Arrays;
import java.util.List;

/** Logits to the score of each label, by what transformers' pipeline does for the problem type. */
final class ClassificationDecoder implements PredictionDecoder {

    private final List<String> labels;
    private final ProblemType problemType;

    ClassificationDecoder(List<String> labels, ProblemType problemType) {
        this.labels = labels;
        this.problemType = problemType;
    }

    @Override
    public Prediction decode(ModelOutput output, int row, ModelInput input) {
        ModelOutput.Logits logits = (ModelOutput.Logits) output;
        int count = logits.labels();
        Scores.checkLabels(count, labels);
        int from = row * count;
        for (int i = 0; i < count; i++) {
            Scores.checkFinite(logits.values()[from + i], "logits");
        }
        float[] scores =
                switch (problemType) {
                    case SINGLE_LABEL -> Scores.softmax(logits.values(), from, count);
                    case MULTI_LABEL -> Scores.sigmoid(logits.values(), from, count);
                    case REGRESSION -> Arrays.copyOfRange(logits.values(), from, from + count);
                };
        int best = Scores.best(scores);
        return new Prediction.Classification(
                labels.get(best),
                scores[best],
                new LabelScores(labels, scores),
                input.text().length(),
                input.text().truncated());
    }
}
