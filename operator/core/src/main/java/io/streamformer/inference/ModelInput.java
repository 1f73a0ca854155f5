package io.streamformer.inference;

import io.streamformer.tokenize.TokenizedText;
import org.apache.flink.annotation.Internal;

/**
 * One row of a batch: what the model reads and how this row is decoded.
 *
 * @param maxNewTokens most tokens that the row may generate, its end token included; 0 for a model
 *     that does not generate
 * @param forcedBosTokenId the first token that the row generates; -1 leaves it free
 * @param seed what the row is sampled with, where the model samples
 */
@Internal
public record ModelInput(TokenizedText text, int maxNewTokens, long forcedBosTokenId, long seed) {

    /** Leaves the first token of a row to the model. */
    public static final long FREE = -1;

    /** A row that nothing is set for, generating within the options' limit. */
    public static ModelInput of(TokenizedText text, GenerationOptions generation) {
        int limit = generation == null ? 0 : generation.limit(text.length());
        return new ModelInput(text, limit, FREE, 0);
    }
}
