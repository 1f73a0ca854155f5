package io.streamformer.inference;

import io.streamformer.bundle.Manifest;
import java.util.List;

/**
 * How a generating model decodes; terms and meanings are those of transformers' GenerationConfig.
 *
 * @param numBeams 1 is greedy
 * @param numReturnSequences hypotheses to answer with
 * @param lengthPenalty exponent of the length in a hypothesis' score
 * @param minNewTokens no end token before this many tokens
 * @param minTotalTokens instead: no end token before a row's input and its answer have this many
 *     together; null where {@code minNewTokens} counts
 * @param maxNewTokens upper bound of generated tokens for any row
 * @param maxTotalTokens upper bound of a row's input and its answer together; null for any
 * @param maxLengthFactor generated tokens that a row's input token allows; null for any number
 * @param maxLengthOffset generated tokens that every row is allowed on top; null without a factor
 * @param repetitionPenalty 1 is none
 * @param noRepeatNgramSize 0 is none
 * @param suppressTokens ids that are never generated
 * @param temperature 0 searches; above it rows are sampled, with one beam
 * @param topK 0 keeps all tokens
 * @param topP 1 keeps all tokens
 */
public record GenerationOptions(
        int numBeams,
        int numReturnSequences,
        float lengthPenalty,
        int minNewTokens,
        Integer minTotalTokens,
        int maxNewTokens,
        Integer maxTotalTokens,
        Double maxLengthFactor,
        Integer maxLengthOffset,
        float repetitionPenalty,
        int noRepeatNgramSize,
        List<Integer> suppressTokens,
        float temperature,
        int topK,
        float topP) {

    public GenerationOptions {
        suppressTokens = List.copyOf(suppressTokens);
        check(
                numReturnSequences <= numBeams,
                "numReturnSequences is at most numBeams " + numBeams,
                numReturnSequences);
        check(
                temperature == 0 || numBeams == 1,
                "numBeams is 1 where a temperature above 0 has rows sampled",
                numBeams);
    }

    /** The defaults of a bundle. */
    public static GenerationOptions of(Manifest.Decoding decoding) {
        return of(
                decoding,
                decoding.temperature() > 0 ? 1 : decoding.numBeams(),
                decoding.temperature());
    }

    /** The defaults of a bundle, but for a search where they sample: so golden texts are made. */
    public static GenerationOptions searching(Manifest.Decoding decoding) {
        return of(decoding, decoding.numBeams(), 0);
    }

    private static GenerationOptions of(
            Manifest.Decoding decoding, int numBeams, float temperature) {
        return new GenerationOptions(
                numBeams,
                1,
                decoding.lengthPenalty(),
                decoding.minNewTokens(),
                decoding.minTotalTokens(),
                decoding.maxNewTokens(),
                decoding.maxTotalTokens(),
                decoding.maxLengthFactor(),
                decoding.maxLengthOffset(),
                decoding.repetitionPenalty(),
                decoding.noRepeatNgramSize(),
                List.of(),
                temperature,
                decoding.topK(),
                decoding.topP());
    }

    /**
     * The most tokens that a row may generate, its end token included: a matter of its own length,
     * never of its neighbours'.
     */
    public int limit(int inputTokens) {
        long most = maxNewTokens;
        if (maxLengthFactor != null) {
            long allowed = (long) Math.floor(maxLengthFactor * inputTokens) + maxLengthOffset;
            most = Math.min(most, Math.max(allowed, minimum(inputTokens)));
        }
        if (maxTotalTokens != null) {
            most = Math.min(most, Math.max(1, maxTotalTokens - inputTokens));
        }
        return (int) most;
    }

    /** The least tokens that a row generates before its end token. */
    public int minimum(int inputTokens) {
        return minTotalTokens == null ? minNewTokens : Math.max(0, minTotalTokens - inputTokens);
    }

    private static void check(boolean holds, String rule, Object seen) {
        if (!holds) {
            throw new IllegalArgumentException(rule + ", seen " + seen);
        }
    }
}
