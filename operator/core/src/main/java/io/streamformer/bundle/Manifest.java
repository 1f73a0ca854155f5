package io.streamformer.bundle;

import com.fasterxml.jackson.annotation.JsonAnySetter;
import com.fasterxml.jackson.annotation.JsonFormat;
import com.fasterxml.jackson.annotation.JsonProperty;
import io.streamformer.options.Option;
import io.streamformer.options.Options;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.flink.annotation.Internal;

/**
 * The description of a bundle, field by field as in {@code manifest.schema.json}.
 *
 * @param format revision of the format
 * @param labels labels in the order of the logits; empty where the task has none
 * @param problemType what the logits of a text-classification model mean
 * @param aggregation how a token-classification model's tokens become entities
 * @param alignToWords whether an answer to a question is widened to whole words
 * @param template what the model reads of a text, around {@code {text}}
 * @param ignoredKeys keys of the model's files that the export was told to ignore
 * @param decoding defaults of a generating bundle; null for the other tasks
 * @param files SHA-256 of every file but the manifest, by name
 */
@Internal
public record Manifest(
        @JsonProperty(required = true) int format,
        @JsonProperty(required = true) String name,
        @JsonProperty(required = true) String version,
        @JsonProperty(required = true) Task task,
        @JsonProperty(required = true) String family,
        String description,
        List<String> languages,
        List<String> targetLanguages,
        List<String> labels,
        ProblemType problemType,
        Aggregation aggregation,
        Boolean alignToWords,
        String template,
        List<String> ignoredKeys,
        @JsonProperty(required = true) TokenizerFiles tokenizer,
        @JsonProperty(required = true) Limits limits,
        Decoding decoding,
        @JsonProperty(required = true) List<Value> inputs,
        @JsonProperty(required = true) List<Value> outputs,
        @JsonProperty(required = true) String defaultVariant,
        String defaultGpuVariant,
        @JsonProperty(required = true) Map<String, Variant> variants,
        @JsonProperty(required = true) String golden,
        @JsonProperty(required = true) Map<String, String> files,
        @JsonProperty(required = true) String source,
        @JsonProperty(required = true) String license,
        String createdBy) {

    /** Where a template has the text. */
    public static final String TEXT = "{text}";

    private static final String NEIGHBOURS_MATTER = "int8-fast";
    private static final Set<String> VARIANTS = Set.of("fp32", "fp16", "int8", NEIGHBOURS_MATTER);

    public Manifest {
        check(
                name.matches("[a-z0-9][a-z0-9._-]*"),
                "name is lower-case letters, digits, '.', '_' and '-'",
                name);
        check(!version.isEmpty(), "version is not empty", "\"\"");
        languages = listOrEmpty(languages);
        targetLanguages = listOrEmpty(targetLanguages);
        labels = listOrEmpty(labels);
        problemType = problemType == null ? ProblemType.SINGLE_LABEL : problemType;
        aggregation = aggregation == null ? Aggregation.SIMPLE : aggregation;
        alignToWords = alignToWords != null && alignToWords;
        template = template == null ? TEXT : template;
        ignoredKeys = listOrEmpty(ignoredKeys);
        inputs = List.copyOf(inputs);
        outputs = List.copyOf(outputs);
        variants = java.util.Collections.unmodifiableMap(new LinkedHashMap<>(variants));
        files = Map.copyOf(files);
        check(
                VARIANTS.containsAll(variants.keySet()),
                "variants are named " + new TreeSet<>(VARIANTS),
                variants.keySet());
        check(
                variants.containsKey(defaultVariant),
                "default_variant is one of the variants " + variants.keySet(),
                defaultVariant);
        check(
                !defaultVariant.equals(NEIGHBOURS_MATTER),
                "default_variant is one whose answers do not depend on a text's neighbours",
                defaultVariant);
        check(
                defaultGpuVariant == null
                        || (variants.containsKey(defaultGpuVariant)
                                && runsOnGpu(defaultGpuVariant)),
                "default_gpu_variant is a variant that a GPU can run, fp16 or fp32",
                defaultGpuVariant);
        check(
                !task.hasLabels() || !labels.isEmpty(),
                "a " + task + " bundle names its labels",
                "no labels");
        check(
                task != Task.TEXT_CLASSIFICATION || Set.copyOf(labels).size() == labels.size(),
                "the labels of a " + task + " bundle differ, since its scores are by label",
                labels);
        check(template.contains(TEXT), "template has " + TEXT + " in it", template);
        check(
                !task.generates() || decoding != null,
                "a bundle of the task " + task + " has decoding defaults",
                "no decoding");
        check(
                decoding == null
                        || decoding.targetLanguageTokens().isEmpty()
                        || (!targetLanguages.isEmpty()
                                && decoding.targetLanguageTokens()
                                        .containsKey(targetLanguages.get(0))),
                "decoding.target_language_tokens has the first of target_languages, which is the"
                        + " default",
                targetLanguages);
        checkListed(files, tokenizer.file());
        if (tokenizer.targetFile() != null) {
            checkListed(files, tokenizer.targetFile());
        }
        checkListed(files, golden);
        if (decoding != null && decoding.shortlistFile() != null) {
            checkListed(files, decoding.shortlistFile());
        }
        for (Variant variant : variants.values()) {
            checkListed(files, variant.file());
        }
    }

    /** False for int8: CUDA has no kernels for its products, which would run on the CPU. */
    public static boolean runsOnGpu(String variant) {
        return !variant.startsWith("int8");
    }

    /** The variant that a GPU runs where none is asked for; empty where it can run none. */
    public Optional<String> gpuVariant() {
        return Stream.of(defaultGpuVariant, defaultVariant, "fp16", "fp32")
                .filter(name -> name != null && variants.containsKey(name) && runsOnGpu(name))
                .findFirst();
    }

    /**
     * The tokenizer's files.
     *
     * @param targetFile tokenizer of the output; null where it is the same
     * @param origin which of two readings of the model folder the file has; the operator ignores it
     * @param sourceLanguageTokens the token that tells the input's language; null where there is
     *     none
     * @param specialTokenIds ids that never appear in a decoded text
     * @param truncationSide where a text that is too long is cut
     * @param tokenTypes token types of a pair
     */
    public record TokenizerFiles(
            @JsonProperty(required = true) String file,
            String targetFile,
            @JsonProperty(required = true) int padTokenId,
            String origin,
            SourceLanguageTokens sourceLanguageTokens,
            List<Integer> specialTokenIds,
            Side truncationSide,
            TokenTypes tokenTypes) {
        public TokenizerFiles {
            check(padTokenId >= 0, "tokenizer.pad_token_id is at least 0", padTokenId);
            specialTokenIds = listOrEmpty(specialTokenIds);
            truncationSide = truncationSide == null ? Side.RIGHT : truncationSide;
            tokenTypes = tokenTypes == null ? TokenTypes.PAIR : tokenTypes;
        }
    }

    /** An end of a text. */
    public enum Side {
        @JsonProperty("left")
        LEFT,
        @JsonProperty("right")
        RIGHT
    }

    /** Token types of a pair: as the tokenizer file says, or 0 for both texts. */
    public enum TokenTypes {
        @JsonProperty("pair")
        PAIR,
        @JsonProperty("none")
        NONE
    }

    /**
     * The special token of the input that tells its language. The tokenizer writes the token of the
     * first of the bundle's languages.
     *
     * @param ids token id by BCP 47 tag
     */
    public record SourceLanguageTokens(
            @JsonProperty(required = true) Position position,
            @JsonProperty(required = true) Map<String, Integer> ids) {

        /** Where among the input's tokens it is. */
        public enum Position {
            @JsonProperty("first")
            FIRST,
            @JsonProperty("last")
            LAST
        }

        public SourceLanguageTokens {
            ids = Map.copyOf(ids);
        }
    }

    /**
     * What a text may measure.
     *
     * @param maxTokens longest input, special tokens included
     * @param maxCharactersPerToken bounds the text before it is tokenized
     */
    public record Limits(
            @JsonProperty(required = true) int maxTokens, Integer maxCharactersPerToken) {
        private static final int DEFAULT_CHARACTERS_PER_TOKEN = 16;

        public Limits {
            check(maxTokens >= 3, "limits.max_tokens is at least 3", maxTokens);
            if (maxCharactersPerToken == null) {
                maxCharactersPerToken = DEFAULT_CHARACTERS_PER_TOKEN;
            }
            check(
                    maxCharactersPerToken >= 1,
                    "limits.max_characters_per_token is at least 1",
                    maxCharactersPerToken);
        }
    }

    /**
     * How a generating bundle decodes.
     *
     * @param maxLengthFactor generated tokens that an input token allows; null where only the other
     *     limits hold
     * @param maxLengthOffset generated tokens that are allowed on top of the factor's
     * @param maxTotalTokens most tokens of a prompt and its answer together; null for any
     * @param minTotalTokens no end token before prompt and answer have this many tokens together;
     *     null where {@code minNewTokens} counts
     * @param eosTokenId the tokens that end an answer
     * @param forcedEosTokenId what the graph puts last in an answer that reaches its limit; null
     *     for nothing
     * @param chosen what the exporter set in place of the model folder's own setting
     * @param targetLanguageTokens first generated token by BCP 47 tag; empty where the model writes
     *     one language
     * @param shortlistFile Marian's binary lexical shortlist; null where the graph has no use for
     *     one
     * @param options what the bundle has for {@link DecodingOptions}, by the names of their graph
     *     inputs
     */
    public record Decoding(
            Double maxLengthFactor,
            Integer maxLengthOffset,
            Integer maxTotalTokens,
            Integer minTotalTokens,
            @JsonProperty(required = true)
                    @JsonFormat(with = JsonFormat.Feature.ACCEPT_SINGLE_VALUE_AS_ARRAY)
                    List<Integer> eosTokenId,
            Integer forcedEosTokenId,
            List<String> chosen,
            Map<String, Integer> targetLanguageTokens,
            String shortlistFile,
            @JsonAnySetter Map<String, Object> options) {
        public Decoding {
            eosTokenId = List.copyOf(eosTokenId);
            chosen = listOrEmpty(chosen);
            targetLanguageTokens =
                    targetLanguageTokens == null ? Map.of() : Map.copyOf(targetLanguageTokens);
            options = options == null ? Map.of() : Map.copyOf(options);
            check(
                    (maxLengthFactor == null) == (maxLengthOffset == null),
                    "decoding has max_length_factor and max_length_offset, or neither",
                    maxLengthFactor == null ? "only the offset" : "only the factor");
            check(
                    maxLengthFactor == null || maxLengthFactor > 0,
                    "decoding.max_length_factor is greater than 0",
                    maxLengthFactor);
            check(
                    maxLengthOffset == null || maxLengthOffset >= 0,
                    "decoding.max_length_offset is at least 0",
                    maxLengthOffset);
            check(
                    maxTotalTokens == null || maxTotalTokens >= 2,
                    "decoding.max_total_tokens is at least 2",
                    maxTotalTokens);
            check(
                    minTotalTokens == null || minTotalTokens >= 0,
                    "decoding.min_total_tokens is at least 0",
                    minTotalTokens);
            check(
                    !eosTokenId.isEmpty() && eosTokenId.stream().allMatch(id -> id >= 0),
                    "decoding.eos_token_id is at least 0",
                    eosTokenId);
            Set<String> unknown = new TreeSet<>(options.keySet());
            for (Option<?> option : DecodingOptions.ALL) {
                option.graphInput().ifPresent(unknown::remove);
            }
            check(unknown.isEmpty(), "decoding has the fields of the schema", unknown);
            defaults(options);
        }

        /** The bundle's value of each option that is not neutral. */
        public Options defaults() {
            return defaults(options);
        }

        private static Options defaults(Map<String, Object> values) {
            Options defaults = Options.DEFAULTS;
            for (Option<?> option : DecodingOptions.ALL) {
                if (option.graphInput().isPresent()) {
                    defaults = withDefault(defaults, option, values);
                }
            }
            return defaults;
        }

        private static <T> Options withDefault(
                Options defaults, Option<T> option, Map<String, Object> values) {
            String input = option.graphInput().orElseThrow();
            Object value = values.get(input);
            if (value != null) {
                try {
                    return defaults.with(option, "decoding." + input, value.toString());
                } catch (IllegalArgumentException e) {
                    throw new BundleException(
                            e.getMessage(), value.toString(), Bundle.EXPORT_AGAIN);
                }
            }
            T neutral = option.neutral();
            check(neutral != null, "decoding has " + input, "none");
            return defaults.with(option, neutral);
        }
    }

    /**
     * An input or output of the graph.
     *
     * @param shape axis names or fixed sizes; empty for a scalar
     */
    public record Value(
            @JsonProperty(required = true) String name,
            @JsonProperty(required = true) String type,
            @JsonProperty(required = true) List<String> shape) {
        private static final Set<String> TYPES = Set.of("int32", "int64", "float32");

        public Value {
            check(
                    TYPES.contains(type),
                    "the type of '" + name + "' is one of " + new TreeSet<>(TYPES),
                    type);
            shape = List.copyOf(shape);
        }
    }

    /**
     * One build of the graph.
     *
     * @param evaluation figures measured through ONNX Runtime, by name
     */
    public record Variant(
            @JsonProperty(required = true) String file,
            String description,
            @JsonProperty(required = true) Tolerance tolerance,
            Map<String, Object> evaluation) {
        public Variant {
            evaluation =
                    evaluation == null
                            ? Map.of()
                            : java.util.Collections.unmodifiableMap(new TreeMap<>(evaluation));
        }

        /** The measured figures in one line; empty where there are none. */
        public String figures() {
            return evaluation.entrySet().stream()
                    .filter(figure -> figure.getValue() instanceof Number)
                    .map(figure -> figure.getKey() + " " + figure.getValue())
                    .collect(Collectors.joining(", "));
        }
    }

    /**
     * What the replay of the golden texts accepts.
     *
     * @param score largest absolute difference of a probability
     * @param equalShare share of golden texts whose label or generated text is the same
     */
    public record Tolerance(
            @JsonProperty(required = true) double score,
            @JsonProperty(required = true) double equalShare) {
        public Tolerance {
            check(score >= 0, "tolerance.score is at least 0", score);
            check(
                    equalShare >= 0 && equalShare <= 1,
                    "tolerance.equal_share is 0 to 1",
                    equalShare);
        }
    }

    private static <T> List<T> listOrEmpty(List<T> list) {
        return list == null ? List.of() : List.copyOf(list);
    }

    private static void checkListed(Map<String, String> files, String file) {
        check(files.containsKey(file), "files has the SHA-256 of every file", "none for " + file);
    }

    private static void check(boolean holds, String rule, Object seen) {
        if (!holds) {
            throw new BundleException(rule, String.valueOf(seen), Bundle.EXPORT_AGAIN);
        }
    }
}
