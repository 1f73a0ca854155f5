package io.streamformer.task;

import io.streamformer.bundle.Bundle;
import io.streamformer.bundle.GoldenText;
import io.streamformer.inference.GenerationOptions;
import io.streamformer.inference.ModelInput;
import io.streamformer.inference.ModelOutput;
import io.streamformer.tokenize.TokenSpans;
import io.streamformer.tokenize.Tokenizer;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import org.apache.flink.annotation.Internal;

/**
 * Start and end logits to the best stretch of the context, as transformers 4's
 * QuestionAnsweringPipeline chose it: a softmax over the context and the first token, which means
 * no answer, then the highest product of a start and an end that come in order and not too far
 * apart. Where the bundle says so, the answer is widened to whole words of the tokenizer, as far as
 * the window has them.
 */
@Internal
public final class QuestionAnswering implements TaskDefinition {

    static final QuestionAnswering TASK = new QuestionAnswering();

    private static final String STARTS = "start_logits";
    private static final String ENDS = "end_logits";

    /** Longest answer in tokens. */
    private static final int MAX_ANSWER_LENGTH = 30;

    /**
     * The answer to a question: a stretch of its context.
     *
     * @param text the characters of the stretch
     * @param score probability of its first token times the probability of its last
     * @param start first character, in Unicode code points of the context
     * @param end behind the last character
     */
    public record Answer(
            String text, float score, int start, int end, int inputTokens, boolean truncated)
            implements Prediction {

        @Override
        public int heapBytes() {
            return HeapBytes.OBJECT + HeapBytes.of(text);
        }
    }

    private QuestionAnswering() {}

    @Override
    public Set<String> outputs() {
        return Set.of(STARTS, ENDS);
    }

    @Override
    public PredictionDecoder decoder(
            Bundle bundle, Tokenizer tokenizer, GenerationOptions generation) {
        return decoder(bundle.manifest().alignToWords());
    }

    static PredictionDecoder decoder(boolean alignToWords) {
        return new Decoder(alignToWords);
    }

    @Override
    public GoldenAnswer golden(GoldenText text, Bundle bundle) {
        Golden.Span wanted = text.answer(Golden.class).answer();
        if (wanted == null) {
            throw text.without("an answer", bundle.manifest());
        }
        return (actual, check) -> {
            Answer answer = (Answer) actual;
            String place = answer.start() + ".." + answer.end();
            String difference = GoldenCheck.apart(place, wanted.start() + ".." + wanted.end());
            if (difference == null) {
                check.close("the answer " + place, wanted.score(), answer.score());
            }
            return difference;
        };
    }

    private record Golden(Span answer) {
        private record Span(float score, int start, int end) {}
    }

    private static final class Decoder implements PredictionDecoder {

        private final boolean alignToWords;

        private Decoder(boolean alignToWords) {
            this.alignToWords = alignToWords;
        }

        @Override
        public Prediction decode(ModelOutput output, int row, ModelInput input) {
            int length = output.axis(STARTS, 1);
            TokenSpans spans = input.text().spans();
            int tokens = input.text().length();
            double[] starts = probabilities(output.floats(STARTS), row * length, tokens, spans);
            double[] ends = probabilities(output.floats(ENDS), row * length, tokens, spans);
            int first = 0;
            int last = 0;
            double score = -1;
            for (int start = 0; start < tokens; start++) {
                for (int end = start; end < Math.min(tokens, start + MAX_ANSWER_LENGTH); end++) {
                    if (spans.contains(start)
                            && spans.contains(end)
                            && starts[start] * ends[end] > score) {
                        first = start;
                        last = end;
                        score = starts[start] * ends[end];
                    }
                }
            }
            if (alignToWords && score >= 0) {
                int[] words = spans.words();
                // Words are counted in each text, and the question has some of these numbers.
                while (first > 0 && spans.contains(first - 1) && words[first - 1] == words[first]) {
                    first--;
                }
                while (last + 1 < tokens
                        && spans.contains(last + 1)
                        && words[last + 1] == words[last]) {
                    last++;
                }
            }
            int start = score < 0 ? 0 : spans.starts()[first];
            int end = score < 0 ? 0 : spans.ends()[last];
            return new Answer(
                    spans.slice(start, end),
                    (float) Math.max(0, score),
                    start,
                    end,
                    tokens,
                    input.text().truncated());
        }

        /** The best answer of all windows; what the model read is what it read in all of them. */
        @Override
        public Prediction merge(List<Prediction> windows) {
            Answer best =
                    windows.stream()
                            .map(Answer.class::cast)
                            .max(Comparator.comparing(Answer::score))
                            .orElseThrow();
            return new Answer(
                    best.text(),
                    best.score(),
                    best.start(),
                    best.end(),
                    windows.stream().mapToInt(Prediction::inputTokens).sum(),
                    best.truncated());
        }

        /** Softmax over the context and the first token; the rest has none. */
        private static double[] probabilities(
                float[] logits, int from, int tokens, TokenSpans spans) {
            double highest = Double.NEGATIVE_INFINITY;
            for (int i = 0; i < tokens; i++) {
                if (counts(spans, i)) {
                    Scores.checkFinite(logits[from + i], "logits");
                    highest = Math.max(highest, logits[from + i]);
                }
            }
            double[] scores = new double[tokens];
            double sum = 0;
            for (int i = 0; i < tokens; i++) {
                scores[i] = counts(spans, i) ? Math.exp(logits[from + i] - highest) : 0;
                sum += scores[i];
            }
            for (int i = 0; i < tokens; i++) {
                scores[i] /= sum;
            }
            return scores;
        }

        private static boolean counts(TokenSpans spans, int token) {
            return token == 0 || spans.contains(token);
        }
    }
}
