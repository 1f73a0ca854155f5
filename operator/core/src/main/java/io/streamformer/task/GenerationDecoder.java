package io.streamformer.task;

import io.streamformer.bundle.Manifest;
import io.streamformer.inference.ModelInput;
import io.streamformer.inference.ModelOutput;
import io.streamformer.tokenize.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** The best hypotheses of a row to their texts. */
final class GenerationDecoder implements PredictionDecoder {

    private final Tokenizer tokenizer;
    private final int numReturnSequences;
    private final long[] endIds;
    private final Integer forcedEndId;

    GenerationDecoder(Tokenizer tokenizer, int numReturnSequences, Manifest.Decoding decoding) {
        this.tokenizer = tokenizer;
        this.numReturnSequences = numReturnSequences;
        endIds = decoding.eosTokenId().stream().mapToLong(Integer::longValue).toArray();
        forcedEndId = decoding.forcedEosTokenId();
    }

    @Override
    public Prediction decode(ModelOutput output, int row, ModelInput input) {
        ModelOutput.Sequences sequences = (ModelOutput.Sequences) output;
        int best = row * sequences.hypotheses();
        long[] ids = ids(sequences, best, input);
        boolean ended = ids.length > 0 && ends(ids[ids.length - 1]);
        // The graph may have put the end token there because no other token was allowed any more.
        boolean forced = forcedEndId != null && ids.length == input.maxNewTokens();
        List<Prediction.Alternative> alternatives = new ArrayList<>(numReturnSequences - 1);
        for (int i = 1; i < Math.min(numReturnSequences, sequences.hypotheses()); i++) {
            alternatives.add(
                    new Prediction.Alternative(
                            tokenizer.decode(ids(sequences, best + i, input)),
                            sequences.scores()[best + i]));
        }
        return new Prediction.Generation(
                tokenizer.decode(ids),
                sequences.scores()[best],
                alternatives,
                tokenScores(sequences, best, ids.length),
                sequences.alignments() == null
                        ? List.of()
                        : WordAlignment.of(
                                sequences, best, input.text().spans(), tokenizer.decodedSpans(ids)),
                input.text().length(),
                ids.length,
                input.text().truncated() || !ended || forced);
    }

    /**
     * The ids of a hypothesis up to its first end token, which stays: one that is not special is
     * part of the text, as in transformers.
     */
    private long[] ids(ModelOutput.Sequences sequences, int hypothesis, ModelInput input) {
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
    private static int limit(ModelOutput.Sequences sequences, ModelInput input) {
        return Math.min(sequences.length(), input.maxNewTokens());
    }

    private static List<Float> tokenScores(
            ModelOutput.Sequences sequences, int hypothesis, int tokens) {
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
