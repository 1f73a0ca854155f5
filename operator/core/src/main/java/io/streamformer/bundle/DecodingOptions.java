package io.streamformer.bundle;

import static io.streamformer.options.Option.Scope.EVENT;
import static io.streamformer.options.Option.Scope.ROUTE;
import static io.streamformer.options.OptionType.FLOAT;
import static io.streamformer.options.OptionType.INTEGER;
import static io.streamformer.options.OptionType.INTEGERS;

import io.streamformer.options.Option;
import java.util.List;
import org.apache.flink.annotation.Public;

/**
 * How a generating model decodes. A bundle's manifest has defaults for them, by the name of the
 * graph's input; terms and meanings are as in transformers' GenerationConfig.
 */
@Public
public final class DecodingOptions {

    private static final int MOST_BEAMS = 16;
    private static final String SAMPLING = "sampling";

    public static final Option<Integer> NUM_BEAMS =
            Option.named("num-beams", ROUTE, INTEGER)
                    .check("1 to 16", value -> value >= 1 && value <= MOST_BEAMS)
                    .graphInput("num_beams")
                    .help("Beams of the search; 1 is greedy and fastest. Default: the bundle's.");

    public static final Option<Integer> NUM_RETURN_SEQUENCES =
            Option.named("num-return-sequences", ROUTE, INTEGER)
                    .defaultsTo(1)
                    .check("1 to 16", value -> value >= 1 && value <= MOST_BEAMS)
                    .help(
                            "Number of texts in an answer: the best one, and the next best as"
                                    + " alternatives. At most the beams.");

    public static final Option<Float> LENGTH_PENALTY =
            Option.named("length-penalty", ROUTE, FLOAT)
                    .check("a finite number", value -> Float.isFinite(value))
                    .graphInput("length_penalty")
                    .help("Higher values favour longer texts. Default: the bundle's.");

    public static final Option<Integer> MIN_NEW_TOKENS =
            Option.named("min-new-tokens", ROUTE, INTEGER)
                    .check("at least 0", value -> value >= 0)
                    .graphInput("min_new_tokens")
                    .help(
                            "Minimum number of generated tokens. Raise it if answers end too soon."
                                    + " Default: the bundle's.");

    public static final Option<Integer> MAX_NEW_TOKENS =
            Option.named("max-new-tokens", EVENT, INTEGER)
                    .check("at least 1", value -> value >= 1)
                    .graphInput("max_new_tokens")
                    .help(
                            "Maximum number of generated tokens; at most the bundle's. Default: the"
                                    + " bundle's.");

    public static final Option<Float> REPETITION_PENALTY =
            Option.named("repetition-penalty", ROUTE, FLOAT)
                    .check("a finite number above 0", v -> v > 0 && Float.isFinite(v))
                    .graphInput("repetition_penalty", 1f)
                    .help(
                            "Penalty for tokens that were already generated (1 = none). Default:"
                                    + " the bundle's.");

    public static final Option<Integer> NO_REPEAT_NGRAM_SIZE =
            Option.named("no-repeat-ngram-size", ROUTE, INTEGER)
                    .check("at least 0", value -> value >= 0)
                    .graphInput("no_repeat_ngram_size", 0)
                    .help(
                            "Size of n-grams that must not repeat. 0 turns it off. Default: the"
                                    + " bundle's.");

    public static final Option<List<Integer>> SUPPRESS_TOKENS =
            Option.named("suppress-tokens", ROUTE, INTEGERS)
                    .defaultsTo(List.of())
                    .check("token ids of at least 0", ids -> ids.stream().allMatch(id -> id >= 0))
                    .graphInput("suppress_tokens", List.of())
                    .help("Token ids that are never generated, with semicolons between.");

    public static final Option<Float> TEMPERATURE =
            Option.named("temperature", ROUTE, FLOAT)
                    .check("a finite number of at least 0", v -> v >= 0 && Float.isFinite(v))
                    .graphInput("temperature", 0f)
                    .exportedWith(SAMPLING)
                    .help(
                            "Above 0 the model samples, with one beam; lower values make likely"
                                    + " tokens likelier. 0 searches. Default: the bundle's.");

    public static final Option<Integer> TOP_K =
            Option.named("top-k", ROUTE, INTEGER)
                    .check("at least 0", value -> value >= 0)
                    .graphInput("top_k", 0)
                    .exportedWith(SAMPLING)
                    .help(
                            "Sample from this many of the likeliest tokens. 0 means all. Default:"
                                    + " the bundle's.");

    public static final Option<Float> TOP_P =
            Option.named("top-p", ROUTE, FLOAT)
                    .check("above 0 and at most 1", value -> value > 0 && value <= 1)
                    .graphInput("top_p", 1f)
                    .exportedWith(SAMPLING)
                    .help(
                            "Sample from the likeliest tokens that together have this probability."
                                    + " 1 means all. Default: the bundle's.");

    /** All of them, in the order of their declaration. */
    public static final List<Option<?>> ALL = Option.declaredIn(DecodingOptions.class);

    private DecodingOptions() {}
}
