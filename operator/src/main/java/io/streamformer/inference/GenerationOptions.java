package io.streamformer.inference;

import io.streamformer.bundle.Manifest;

/**
 * How a generating model decodes.
 *
 * @param numBeams 1 is greedy
 * @param lengthPenalty exponent of the length in a hypothesis' score
 * @param minNewTokens no end token before this many tokens
 * @param maxNewTokens upper bound of generated tokens for any row
 * @param maxLengthFactor generated tokens that a row's input token allows
 * @param maxLengthOffset generated tokens that every row is allowed on top
 */
public record GenerationOptions(
        int numBeams,
        float lengthPenalty,
        int minNewTokens,
        int maxNewTokens,
        double maxLengthFactor,
        int maxLengthOffset) {

    /** The defaults of a bundle. */
    public static GenerationOptions of(Manifest.Decoding decoding) {
        return new GenerationOptions(
                decoding.numBeams(),
                decoding.lengthPenalty(),
                decoding.minNewTokens(),
                decoding.maxNewTokens(),
                decoding.maxLengthFactor(),
                decoding.maxLengthOffset());
    }

    /**
     * The most tokens that a row may generate, its end token included: a matter of its own length,
     * never of its neighbours'.
     */
    public int limit(int inputTokens) {
        return (int)
                Math.min(
                        maxNewTokens,
                        (long) Math.floor(maxLengthFactor * inputTokens) + maxLengthOffset);
    }
}
