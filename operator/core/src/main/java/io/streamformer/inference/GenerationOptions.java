package io.streamformer.inference;

import io.streamformer.bundle.DecodingOptions;
import io.streamformer.bundle.Manifest;
import io.streamformer.options.Option;
import io.streamformer.options.Options;
import org.apache.flink.annotation.Internal;

/**
 * How a generating model decodes.
 *
 * @param values what a job set, or else the bundle's defaults
 * @param minTotalTokens no end token before a row's input and its answer have this many together;
 *     null where {@link DecodingOptions#MIN_NEW_TOKENS} counts
 * @param bundle how the bundle decodes: limits that a job cannot change
 */
@Internal
public record GenerationOptions(Options values, Integer minTotalTokens, Manifest.Decoding bundle) {

    public GenerationOptions {
        int beams = values.get(DecodingOptions.NUM_BEAMS);
        int texts = values.get(DecodingOptions.NUM_RETURN_SEQUENCES);
        check(
                texts <= beams,
                DecodingOptions.NUM_RETURN_SEQUENCES
                        + " is "
                        + texts
                        + ". It must be at most "
                        + DecodingOptions.NUM_BEAMS
                        + ", which is "
                        + beams
                        + ".");
        check(
                beams == 1 || values.get(DecodingOptions.TEMPERATURE) == 0,
                DecodingOptions.NUM_BEAMS
                        + " is "
                        + beams
                        + ". With a temperature above 0 it must be 1.");
    }

    /**
     * What a job set, over the defaults of a bundle.
     *
     * @throws IllegalArgumentException if the values do not go together
     */
    public static GenerationOptions of(Options set, Manifest.Decoding bundle) {
        Options defaults = bundle.defaults();
        int most = defaults.get(DecodingOptions.MAX_NEW_TOKENS);
        set.find(DecodingOptions.MAX_NEW_TOKENS)
                .ifPresent(
                        value ->
                                check(
                                        value <= most,
                                        DecodingOptions.MAX_NEW_TOKENS
                                                + " is "
                                                + value
                                                + ". The bundle allows at most "
                                                + most
                                                + ". Lower it."));
        Options values = defaults;
        for (Option<?> option : DecodingOptions.ALL) {
            values = values.withThatOf(set, option);
        }
        // Who asks for samples need not ask for the one beam that they are drawn with.
        if (values.get(DecodingOptions.TEMPERATURE) > 0
                && set.find(DecodingOptions.NUM_BEAMS).isEmpty()) {
            values = values.with(DecodingOptions.NUM_BEAMS, 1);
        }
        boolean ownMinimum = set.find(DecodingOptions.MIN_NEW_TOKENS).isPresent();
        return new GenerationOptions(values, ownMinimum ? null : bundle.minTotalTokens(), bundle);
    }

    /** The defaults of a bundle, with a search in place of sampling: so golden texts are made. */
    public static GenerationOptions searching(Manifest.Decoding bundle) {
        int beams = bundle.defaults().get(DecodingOptions.NUM_BEAMS);
        return of(
                Options.DEFAULTS
                        .with(DecodingOptions.TEMPERATURE, 0f)
                        .with(DecodingOptions.NUM_BEAMS, beams),
                bundle);
    }

    /** The value of one of {@link DecodingOptions}. */
    public <T> T get(Option<T> option) {
        return values.get(option);
    }

    /**
     * The most tokens that a row may generate, its end token included: a matter of its own length,
     * never of its neighbours'.
     */
    public int limit(int inputTokens) {
        long most = get(DecodingOptions.MAX_NEW_TOKENS);
        if (bundle.maxLengthFactor() != null) {
            long allowed =
                    (long) Math.floor(bundle.maxLengthFactor() * inputTokens)
                            + bundle.maxLengthOffset();
            most = Math.min(most, Math.max(allowed, minimum(inputTokens)));
        }
        if (bundle.maxTotalTokens() != null) {
            most = Math.min(most, Math.max(1, bundle.maxTotalTokens() - inputTokens));
        }
        return (int) most;
    }

    /** The least tokens that a row generates before its end token. */
    public int minimum(int inputTokens) {
        return minTotalTokens == null
                ? get(DecodingOptions.MIN_NEW_TOKENS)
                : Math.max(0, minTotalTokens - inputTokens);
    }

    private static void check(boolean holds, String message) {
        if (!holds) {
            throw new IllegalArgumentException(message);
        }
    }
}
