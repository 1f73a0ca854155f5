package io.streamformer.decode;

import io.streamformer.inference.GenerationOptions;
import io.streamformer.inference.ModelOutput;
import io.streamformer.tokenize.TokenizedText;
import io.streamformer.tokenize.Tokenizer;
import java.util.Arrays;

/** The best hypothesis of a row to its text. */
final class GenerationDecoder implements PredictionDecoder {

    private final Tokenizer tokenizer;
    private final GenerationOptions generation;
    private final int eosTokenId;

    GenerationDecoder(Tokenizer tokenizer, GenerationOptions generation, int eosTokenId) {
        this.tokenizer = tokenizer;
        this.generation = generation;
        this.eosTokenId = eosTokenId;
    }

    @Override
    public Prediction decode(ModelOutput output, int row, TokenizedText text) {
        ModelOutput.Sequences sequences = (ModelOutput.Sequences) output;
        int from = row * sequences.hypotheses() * sequences.length();
        // A row that was cut short by its own limit has no end token, only padding behind it.
        int most = Math.min(sequences.length(), generation.limit(text.length()));
        int length = 0;
        while (length < most && sequences.ids()[from + length] != eosTokenId) {
            length++;
        }
        boolean ended = length < most;
        return new Prediction.Generation(
                tokenizer.decode(Arrays.copyOfRange(sequences.ids(), from, from + length)),
                sequences.scores()[row * sequences.hypotheses()],
                text.length(),
                ended ? length + 1 : length,
                text.truncated() || !ended);
    }
}
