package io.streamformer.task;

import io.streamformer.bundle.Bundle;
import io.streamformer.bundle.DecodingOptions;
import io.streamformer.bundle.GoldenText;
import io.streamformer.bundle.Manifest;
import io.streamformer.inference.GenerationOptions;
import io.streamformer.inference.ModelInput;
import io.streamformer.inference.ModelOutput;
import io.streamformer.tokenize.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import org.apache.flink.annotation.Internal;

/**
 * The best hypotheses of a row to their texts: translation, summarization, text2text-generation and
 * text-generation.
 */
@Internal
public final class TextGeneration implements TaskDefinition {

    static final TextGeneration TASK = new TextGeneration();

    private static final String SEQUENCES = "sequences";
    private static final String SCORES = "scores";
    private static final String TOKEN_SCORES = "token_scores";
    private static final String ALIGNMENTS = "alignments";

    /**
     * The answer of a generating model.
     *
     * @param text the generated text
     * @param score sum of the tokens' log-probabilities over length to the power of the length
     *     penalty
     * @param alternatives the next best texts, as many as are asked for
     * @param tokenScores log-probability of each output token; empty where the bundle does not give
     *     it
     * @param alignments which word of the input each word of the text was read from; empty where
     *     the bundle does not give it
     * @param outputTokens tokens generated, the end token included
     */
    public record Generation(
            String text,
            float score,
            List<Alternative> alternatives,
            List<Float> tokenScores,
            List<Alignment> alignments,
            int inputTokens,
            int outputTokens,
            boolean truncated)
            implements Prediction {

        @Override
        public int heapBytes() {
            return alternatives.stream()
                            .mapToInt(other -> HeapBytes.OBJECT + HeapBytes.of(other.text()))
                            .sum()
                    + HeapBytes.OBJECT * (1 + tokenScores.size() + alignments.size())
                    + HeapBytes.of(text);
        }
    }

    /** A text that was found beside the best one, with its score. */
    public record Alternative(String text, float score) {}

    /**
     * A word of a generated text and the word of the input that it looked at most. All offsets
     * count Unicode code points; an end is the offset behind the last character.
     *
     * @param score share of its attention that went there, 0 to 1
     */
    public record Alignment(
            int sourceStart, int sourceEnd, int targetStart, int targetEnd, float score) {}

    private TextGeneration() {}

    @Override
    public Set<String> outputs() {
        return Set.of(SEQUENCES, SCORES);
    }

    @Override
    public PredictionDecoder decoder(
            Bundle bundle, Tokenizer tokenizer, GenerationOptions generation) {
        return decoder(
                tokenizer,
                generation.get(DecodingOptions.NUM_RETURN_SEQUENCES),
                bundle.manifest().decoding());
    }

    static PredictionDecoder decoder(
            Tokenizer tokenizer, int numReturnSequences, Manifest.Decoding decoding) {
        return new Decoder(tokenizer, numReturnSequences, decoding);
    }

    @Override
    public GoldenAnswer golden(GoldenText text, Bundle bundle) {
        String wanted = text.answer(Golden.class).output();
        if (wanted == null) {
            throw text.without("an output", bundle.manifest());
        }
        return (actual, check) -> GoldenCheck.apart(((Generation) actual).text(), wanted);
    }

    private record Golden(String output) {}

    /**
     * Generated ids, best hypothesis first.
     *
     * @param ids row by row, hypothesis by hypothesis, padded to the same length
     * @param scores one per row and hypothesis
     * @param hypotheses hypotheses per row
     * @param length padded length of a hypothesis
     * @param tokenScores log-probability of each of the ids; null where the graph does not give it
     * @param alignments per id how much it looked at each input token; null where the graph does
     *     not give it
     * @param sourceLength padded length of a row's input
     */
    @SuppressWarnings("ArrayRecordComponent") // read once, never compared
    record Sequences(
            long[] ids,
            float[] scores,
            int hypotheses,
            int length,
            float[] tokenScores,
            float[] alignments,
            int sourceLength) {

        static Sequences of(ModelOutput output) {
            boolean aligned = output.has(ALIGNMENTS);
            return new Sequences(
                    output.longs(SEQUENCES),
                    output.floats(SCORES),
                    output.axis(SEQUENCES, 1),
                    output.axis(SEQUENCES, 2),
                    output.has(TOKEN_SCORES) ? output.floats(TOKEN_SCORES) : null,
                    aligned ? output.floats(ALIGNMENTS) : null,
                    aligned ? output.axis(ALIGNMENTS, 3) : 0);
        }
    }

    private static final class Decoder implements PredictionDecoder {

        private final Tokenizer tokenizer;
        private final int numReturnSequences;
        private final long[] endIds;
        private final Integer forcedEndId;

        private Decoder(Tokenizer tokenizer, int numReturnSequences, Manifest.Decoding decoding) {
            this.tokenizer = tokenizer;
            this.numReturnSequences = numReturnSequences;
            endIds = decoding.eosTokenId().stream().mapToLong(Integer::longValue).toArray();
            forcedEndId = decoding.forcedEosTokenId();
        }

        @Override
        public Prediction decode(ModelOutput output, int row, ModelInput input) {
            Sequences sequences = Sequences.of(output);
            int best = row * sequences.hypotheses();
            long[] ids = ids(sequences, best, input);
            boolean ended = ids.length > 0 && ends(ids[ids.length - 1]);
            // The graph may have put the end token there because no other token was allowed any
            // more.
            boolean forced = forcedEndId != null && ids.length == input.maxNewTokens();
            List<Alternative> alternatives = new ArrayList<>(numReturnSequences - 1);
            for (int i = 1; i < Math.min(numReturnSequences, sequences.hypotheses()); i++) {
                alternatives.add(
                        new Alternative(
                                tokenizer.decode(ids(sequences, best + i, input)),
                                sequences.scores()[best + i]));
            }
            return new Generation(
                    tokenizer.decode(ids),
                    sequences.scores()[best],
                    alternatives,
                    tokenScores(sequences, best, ids.length),
                    sequences.alignments() == null
                            ? List.of()
                            : WordAlignment.of(
                                    sequences,
                                    best,
                                    input.text().spans(),
                                    tokenizer.decodedSpans(ids)),
                    input.text().length(),
                    ids.length,
                    input.text().truncated() || !ended || forced);
        }

        /**
         * The ids of a hypothesis up to its first end token, which stays: one that is not special
         * is part of the text, as in transformers.
         */
        private long[] ids(Sequences sequences, int hypothesis, ModelInput input) {
            int from = hypothesis * sequences.length();
            int most = limit(sequences, input);
            int length = 0;
            boolean open = true;
            while (length < most && open) {
                open = !ends(sequences.ids()[from + length]);
                length++;
            }
            return Arrays.copyOfRange(sequences.ids(), from, from + length);
        }

        private boolean ends(long id) {
            for (long end : endIds) {
                if (id == end) {
                    return true;
                }
            }
            return false;
        }

        /** A row that was cut short by its own limit has no end token, only padding behind it. */
        private static int limit(Sequences sequences, ModelInput input) {
            return Math.min(sequences.length(), input.maxNewTokens());
        }

        private static List<Float> tokenScores(Sequences sequences, int hypothesis, int tokens) {
            if (sequences.tokenScores() == null) {
                return List.of();
            }
            List<Float> scores = new ArrayList<>(tokens);
            for (int i = 0; i < tokens; i++) {
                scores.add(sequences.tokenScores()[hypothesis * sequences.length() + i]);
            }
            return scores;
        }
    }
}
