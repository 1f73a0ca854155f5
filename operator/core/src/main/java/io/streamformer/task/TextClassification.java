package io.streamformer.task;

import io.streamformer.bundle.Bundle;
import io.streamformer.bundle.GoldenText;
import io.streamformer.bundle.ProblemType;
import io.streamformer.inference.GenerationOptions;
import io.streamformer.inference.ModelInput;
import io.streamformer.inference.ModelOutput;
import io.streamformer.tokenize.Tokenizer;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.flink.annotation.Internal;

/** Logits to the score of each label, by what transformers' pipeline does for the problem type. */
@Internal
public final class TextClassification implements TaskDefinition {

    static final TextClassification TASK = new TextClassification();

    private static final String LOGITS = "logits";

    /** From this probability up a label of a multi-label classification holds. */
    private static final float THRESHOLD = 0.5f;

    /**
     * The answer of a classifier, or of a regression.
     *
     * @param label the label with the highest score
     * @param score the score of that label
     * @param scores the score of every label, in the order of the manifest's labels: a probability,
     *     0 to 1, or a regression's value
     */
    public record Classification(
            String label,
            float score,
            Map<String, Float> scores,
            int inputTokens,
            boolean truncated)
            implements Prediction {

        @Override
        public int heapBytes() {
            return HeapBytes.OBJECT * (1 + 2 * scores.size());
        }
    }

    private TextClassification() {}

    @Override
    public Set<String> outputs() {
        return Set.of(LOGITS);
    }

    @Override
    public PredictionDecoder decoder(
            Bundle bundle, Tokenizer tokenizer, GenerationOptions generation) {
        return decoder(bundle.manifest().labels(), bundle.manifest().problemType());
    }

    static PredictionDecoder decoder(List<String> labels, ProblemType problemType) {
        return (output, row, input) -> decode(labels, problemType, output, row, input);
    }

    private static Classification decode(
            List<String> labels,
            ProblemType problemType,
            ModelOutput output,
            int row,
            ModelInput input) {
        float[] logits = output.floats(LOGITS);
        int count = output.axis(LOGITS, 1);
        Scores.checkLabels(count, labels);
        int from = row * count;
        for (int i = 0; i < count; i++) {
            Scores.checkFinite(logits[from + i], "logits");
        }
        float[] scores =
                switch (problemType) {
                    case SINGLE_LABEL -> Scores.softmax(logits, from, count);
                    case MULTI_LABEL -> Scores.sigmoid(logits, from, count);
                    case REGRESSION -> Arrays.copyOfRange(logits, from, from + count);
                };
        int best = Scores.best(scores);
        return new Classification(
                labels.get(best),
                scores[best],
                new LabelScores(labels, scores),
                input.text().length(),
                input.text().truncated());
    }

    @Override
    public GoldenAnswer golden(GoldenText text, Bundle bundle) {
        Golden golden = text.answer(Golden.class);
        ProblemType problemType = bundle.manifest().problemType();
        if (problemType != ProblemType.SINGLE_LABEL) {
            if (golden.scores() == null) {
                throw text.without("the scores of all labels", bundle.manifest());
            }
            return (actual, check) ->
                    golden.scoresDiffer((Classification) actual, check, problemType);
        }
        if (golden.label() == null || golden.score() == null) {
            throw text.without("a label and its score", bundle.manifest());
        }
        return (actual, check) -> golden.labelDiffers((Classification) actual, check);
    }

    /** The label and its score, or the score of every label. */
    private record Golden(String label, Float score, Map<String, Float> scores) {

        String labelDiffers(Classification actual, GoldenCheck check) {
            check.close("the label " + label, score, actual.scores().get(label));
            return GoldenCheck.apart(actual.label(), label);
        }

        String scoresDiffer(Classification actual, GoldenCheck check, ProblemType problemType) {
            scores.forEach(
                    (name, wanted) ->
                            check.close("the label " + name, wanted, actual.scores().get(name)));
            return problemType == ProblemType.REGRESSION
                    ? null
                    : GoldenCheck.apart(held(actual.scores()), held(scores));
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
    }
}
