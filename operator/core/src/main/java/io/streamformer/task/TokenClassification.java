package io.streamformer.task;

import io.streamformer.bundle.Aggregation;
import io.streamformer.bundle.Bundle;
import io.streamformer.bundle.GoldenText;
import io.streamformer.inference.GenerationOptions;
import io.streamformer.inference.ModelInput;
import io.streamformer.inference.ModelOutput;
import io.streamformer.tokenize.TokenSpans;
import io.streamformer.tokenize.Tokenizer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.flink.annotation.Internal;

/**
 * Labels of tokens to entities, as transformers' TokenClassificationPipeline does it: tokens to
 * words where the aggregation says so, then neighbours of one label to an entity. Words are those
 * of the tokenizer, where the pipeline guesses them from the length of a piece.
 */
@Internal
public final class TokenClassification implements TaskDefinition {

    static final TokenClassification TASK = new TokenClassification();

    private static final String LOGITS = "logits";
    private static final String OUTSIDE = "O";

    /**
     * The answer of a token classifier.
     *
     * @param entities in the order of the text
     */
    public record Entities(List<Entity> entities, int inputTokens, boolean truncated)
            implements Prediction {

        @Override
        public int heapBytes() {
            return entities.stream()
                    .mapToInt(entity -> HeapBytes.OBJECT + HeapBytes.of(entity.text()))
                    .reduce(HeapBytes.OBJECT, Integer::sum);
        }
    }

    /**
     * A labelled stretch of a text.
     *
     * @param label the label, without its B- or I- unless every token is an entity of its own
     * @param score the probability of the label, 0 to 1
     * @param text the characters of the stretch
     * @param start first character, in Unicode code points of the text
     * @param end behind the last character
     */
    public record Entity(String label, float score, String text, int start, int end) {}

    private TokenClassification() {}

    @Override
    public Set<String> outputs() {
        return Set.of(LOGITS);
    }

    @Override
    public PredictionDecoder decoder(
            Bundle bundle, Tokenizer tokenizer, GenerationOptions generation) {
        return decoder(bundle.manifest().labels(), bundle.manifest().aggregation());
    }

    static PredictionDecoder decoder(List<String> labels, Aggregation aggregation) {
        return new Decoder(labels, aggregation);
    }

    @Override
    public GoldenAnswer golden(GoldenText text, Bundle bundle) {
        Golden golden = text.answer(Golden.class);
        if (golden.entities() == null) {
            throw text.without("entities", bundle.manifest());
        }
        return (actual, check) -> golden.difference((Entities) actual, check);
    }

    private record Golden(List<Span> entities) {

        private record Span(String label, float score, int start, int end) {
            String shown() {
                return label + " " + start + ".." + end;
            }
        }

        /** Scores are compared where both have the entity. */
        String difference(Entities actual, GoldenCheck check) {
            Map<String, Float> found = new LinkedHashMap<>();
            for (Entity entity : actual.entities()) {
                Span span = new Span(entity.label(), entity.score(), entity.start(), entity.end());
                found.put(span.shown(), entity.score());
            }
            Map<String, Float> wanted = new LinkedHashMap<>();
            entities.forEach(span -> wanted.put(span.shown(), span.score()));
            wanted.forEach(
                    (entity, score) -> {
                        if (found.containsKey(entity)) {
                            check.close("the entity " + entity, score, found.get(entity));
                        }
                    });
            return GoldenCheck.apart(found.keySet().toString(), wanted.keySet().toString());
        }
    }

    /** One number per label and token; numbers of padding mean nothing. */
    @SuppressWarnings("ArrayRecordComponent") // read once, never compared
    private record Logits(float[] values, int length, int labels) {
        static Logits of(ModelOutput output) {
            return new Logits(
                    output.floats(LOGITS), output.axis(LOGITS, 1), output.axis(LOGITS, 2));
        }
    }

    /** A token or a word with its label. */
    private record Labelled(String label, float score, int start, int end) {

        boolean begins() {
            return label.startsWith("B-");
        }

        String tag() {
            return begins() || label.startsWith("I-") ? label.substring(2) : label;
        }
    }

    private static final class Decoder implements PredictionDecoder {

        private final List<String> labels;
        private final Aggregation aggregation;

        Decoder(List<String> labels, Aggregation aggregation) {
            this.labels = labels;
            this.aggregation = aggregation;
        }

        @Override
        public Prediction decode(ModelOutput output, int row, ModelInput input) {
            Logits logits = Logits.of(output);
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
            return new Entities(
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
        private Labelled label(Logits logits, int row, TokenSpans spans, int from, int to) {
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

        private float[] mean(Logits logits, int row, int from, int to) {
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

        private static float[] scores(Logits logits, int row, int token) {
            int from = (row * logits.length() + token) * logits.labels();
            float[] scores = Scores.softmax(logits.values(), from, logits.labels());
            Scores.checkFinite(highest(scores), "logits");
            return scores;
        }

        private static List<Entity> tokenEntities(List<Labelled> tokens, TokenSpans spans) {
            return tokens.stream()
                    .filter(token -> !token.label().equals(OUTSIDE))
                    .map(token -> entity(token.label(), token.score(), token, token, spans))
                    .toList();
        }

        /** Neighbours of one tag as entities; one that begins anew starts another. */
        private static List<Entity> groups(List<Labelled> labelled, TokenSpans spans) {
            List<Entity> entities = new ArrayList<>();
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

        private static Entity entity(
                String label, float score, Labelled first, Labelled last, TokenSpans spans) {
            return new Entity(
                    label,
                    score,
                    spans.slice(first.start(), last.end()),
                    first.start(),
                    last.end());
        }
    }
}
