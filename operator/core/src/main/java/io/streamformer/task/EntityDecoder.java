package io.streamformer.task;

import io.streamformer.bundle.Aggregation;
import io.streamformer.inference.ModelInput;
import io.streamformer.inference.ModelOutput;
import io.streamformer.tokenize.TokenSpans;
import java.util.ArrayList;
import java.util.List;

/**
 * Labels of tokens to entities, as transformers' TokenClassificationPipeline does it: tokens to
 * words where the aggregation says so, then neighbours of one label to an entity. Words are those
 * of the tokenizer, where the pipeline guesses them from the length of a piece.
 */
final class EntityDecoder implements PredictionDecoder {

    private static final String OUTSIDE = "O";

    /** A token or a word with its label. */
    private record Labelled(String label, float score, int start, int end) {

        boolean begins() {
            return label.startsWith("B-");
        }

        String tag() {
            return begins() || label.startsWith("I-") ? label.substring(2) : label;
        }
    }

    private final List<String> labels;
    private final Aggregation aggregation;

    EntityDecoder(List<String> labels, Aggregation aggregation) {
        this.labels = labels;
        this.aggregation = aggregation;
    }

    @Override
    public Prediction decode(ModelOutput output, int row, ModelInput input) {
        ModelOutput.TokenLogits logits = (ModelOutput.TokenLogits) output;
        Scores.checkLabels(logits.labels(), labels);
        TokenSpans spans = input.text().spans();
        List<Labelled> labelled = new ArrayList<>();
        int tokens = input.text().length();
        for (int token = 0; token < tokens; ) {
            if (!spans.contains(token)) {
                token++;
                continue;
            }
            int end = token + 1;
            while (end < tokens && isSameWord(spans, end)) {
                end++;
            }
            labelled.add(label(logits, row, spans, token, end));
            token = end;
        }
        return new Prediction.Entities(
                aggregation == Aggregation.NONE
                        ? tokenEntities(labelled, spans)
                        : groups(labelled, spans),
                tokens,
                input.text().truncated());
    }

    private boolean isSameWord(TokenSpans spans, int token) {
        boolean byWord = aggregation != Aggregation.NONE && aggregation != Aggregation.SIMPLE;
        return byWord
                && spans.contains(token)
                && spans.words()[token] >= 0
                && spans.words()[token] == spans.words()[token - 1];
    }

    /** The label of the tokens of a word, or of one token. */
    private Labelled label(
            ModelOutput.TokenLogits logits, int row, TokenSpans spans, int from, int to) {
        float[] chosen = scores(logits, row, from);
        if (aggregation == Aggregation.AVERAGE) {
            chosen = mean(logits, row, from, to);
        } else if (aggregation == Aggregation.MAX) {
            for (int token = from + 1; token < to; token++) {
                float[] scores = scores(logits, row, token);
                chosen = highest(scores) > highest(chosen) ? scores : chosen;
            }
        }
        int best = Scores.best(chosen);
        return new Labelled(
                labels.get(best), chosen[best], spans.starts()[from], spans.ends()[to - 1]);
    }

    private float[] mean(ModelOutput.TokenLogits logits, int row, int from, int to) {
        float[] mean = new float[labels.size()];
        for (int token = from; token < to; token++) {
            float[] scores = scores(logits, row, token);
            for (int i = 0; i < mean.length; i++) {
                mean[i] += scores[i] / (to - from);
            }
        }
        return mean;
    }

    private static float highest(float[] scores) {
        return scores[Scores.best(scores)];
    }

    private static float[] scores(ModelOutput.TokenLogits logits, int row, int token) {
        int from = (row * logits.length() + token) * logits.labels();
        float[] scores = Scores.softmax(logits.values(), from, logits.labels());
        Scores.checkFinite(highest(scores), "logits");
        return scores;
    }

    private static List<Prediction.Entity> tokenEntities(List<Labelled> tokens, TokenSpans spans) {
        return tokens.stream()
                .filter(token -> !token.label().equals(OUTSIDE))
                .map(token -> entity(token.label(), token.score(), token, token, spans))
                .toList();
    }

    /** Neighbours of one tag as entities; one that begins anew starts another. */
    private static List<Prediction.Entity> groups(List<Labelled> labelled, TokenSpans spans) {
        List<Prediction.Entity> entities = new ArrayList<>();
        for (int from = 0; from < labelled.size(); ) {
            Labelled first = labelled.get(from);
            double sum = first.score();
            int to = from + 1;
            while (to < labelled.size()
                    && !labelled.get(to).begins()
                    && labelled.get(to).tag().equals(first.tag())) {
                sum += labelled.get(to).score();
                to++;
            }
            String label = first.label().substring(first.label().indexOf('-') + 1);
            if (!label.equals(OUTSIDE)) {
                Labelled last = labelled.get(to - 1);
                entities.add(entity(label, (float) (sum / (to - from)), first, last, spans));
            }
            from = to;
        }
        return entities;
    }

    private static Prediction.Entity entity(
            String label, float score, Labelled first, Labelled last, TokenSpans spans) {
        return new Prediction.Entity(
                label, score, spans.slice(first.start(), last.end()), first.start(), last.end());
    }
}
