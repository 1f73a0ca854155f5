package io.streamformer.inference.ort;

import ai.onnxruntime.NodeInfo;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import ai.onnxruntime.TensorInfo;
import io.streamformer.bundle.BundleException;
import io.streamformer.bundle.DecodingOptions;
import io.streamformer.bundle.Manifest;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;

/** Holds a graph's inputs and outputs against the manifest and against what this code feeds. */
final class GraphCheck {

    static final String INPUT_IDS = "input_ids";
    static final String ATTENTION_MASK = "attention_mask";
    static final String TOKEN_TYPE_IDS = "token_type_ids";
    static final String MAX_NEW_TOKENS = "max_new_tokens";
    static final String MIN_NEW_TOKENS = DecodingOptions.MIN_NEW_TOKENS.graphInput().orElseThrow();
    static final String FORCED_BOS_TOKEN_ID = "forced_bos_token_id";
    static final String SEED = "seed";
    static final String SHORTLIST = "shortlist";

    private static final Set<String> READING = Set.of(INPUT_IDS, ATTENTION_MASK);
    private static final Set<String> ROWS = Set.of(FORCED_BOS_TOKEN_ID, SEED, SHORTLIST);

    private static final String EXPORT_AGAIN =
            "build the bundle again with 'streamformer-export export'";

    private GraphCheck() {}

    static void verify(Manifest manifest, OrtSession session, Set<String> outputs)
            throws OrtException {
        verify("input", manifest.inputs(), session.getInputInfo());
        verify("output", manifest.outputs(), session.getOutputInfo());
        boolean generates = manifest.task().generates();
        Set<String> inputs = session.getInputNames();
        Set<String> known = new HashSet<>(READING);
        if (generates) {
            known.addAll(decoding(true));
        }
        requireAll("input", known, inputs, manifest);
        known.addAll(generates ? ROWS : Set.of(TOKEN_TYPE_IDS));
        if (generates) {
            known.addAll(decoding(false));
        }
        for (String input : inputs) {
            if (!known.contains(input)) {
                throw new BundleException(
                        "the inputs of a graph for "
                                + manifest.task()
                                + " are among "
                                + new TreeSet<>(known),
                        input,
                        EXPORT_AGAIN);
            }
        }
        if (generates && !manifest.decoding().targetLanguageTokens().isEmpty()) {
            requireAll("input", Set.of(FORCED_BOS_TOKEN_ID), inputs, manifest);
        }
        if (generates && manifest.decoding().minTotalTokens() != null && !minimumPerRow(manifest)) {
            throw new BundleException(
                    "a bundle with decoding.min_total_tokens has a graph whose input "
                            + MIN_NEW_TOKENS
                            + " has a value for each row",
                    "one value for all",
                    EXPORT_AGAIN);
        }
        if (inputs.contains(SHORTLIST) && manifest.decoding().shortlistFile() == null) {
            throw new BundleException(
                    "a bundle whose graph has the input shortlist names decoding.shortlist_file",
                    "none",
                    EXPORT_AGAIN);
        }
        requireAll("output", outputs, session.getOutputNames(), manifest);
    }

    /** Whether each row of a batch has its own least number of tokens. */
    static boolean minimumPerRow(Manifest manifest) {
        return manifest.inputs().stream()
                .anyMatch(input -> input.name().equals(MIN_NEW_TOKENS) && !input.shape().isEmpty());
    }

    /** Inputs of decoding options: the inputs that every graph has, or all. */
    private static Set<String> decoding(boolean ofEveryGraph) {
        return DecodingOptions.ALL.stream()
                .filter(option -> !ofEveryGraph || option.neutral() == null)
                .flatMap(option -> option.graphInput().stream())
                .collect(Collectors.toSet());
    }

    private static void requireAll(
            String kind, Set<String> required, Set<String> actual, Manifest manifest) {
        for (String name : new TreeSet<>(required)) {
            if (!actual.contains(name)) {
                throw new BundleException(
                        "a graph for " + manifest.task() + " has the " + kind + " " + name,
                        "only " + new TreeSet<>(actual),
                        EXPORT_AGAIN);
            }
        }
    }

    private static void verify(
            String kind, List<Manifest.Value> declared, Map<String, NodeInfo> actual) {
        for (Manifest.Value value : declared) {
            NodeInfo info = actual.get(value.name());
            if (info == null) {
                throw new BundleException(
                        "the graph has the " + kind + " '" + value.name() + "' of the manifest",
                        "only " + new TreeSet<>(actual.keySet()),
                        EXPORT_AGAIN);
            }
            String type =
                    info.getInfo() instanceof TensorInfo tensor
                            ? nameOf(tensor)
                            : info.getInfo().toString();
            if (!type.equals(value.type())) {
                throw new BundleException(
                        "the type of the " + kind + " '" + value.name() + "' is " + value.type(),
                        type,
                        EXPORT_AGAIN);
            }
            checkRank(kind, value, info);
        }
        Set<String> names = declared.stream().map(Manifest.Value::name).collect(Collectors.toSet());
        for (String name : actual.keySet()) {
            if (!names.contains(name)) {
                throw new BundleException(
                        "the manifest declares every " + kind + " of the graph",
                        "none for '" + name + "'",
                        EXPORT_AGAIN);
            }
        }
    }

    private static void checkRank(String kind, Manifest.Value value, NodeInfo info) {
        int rank = ((TensorInfo) info.getInfo()).getShape().length;
        if (rank != value.shape().size()) {
            throw new BundleException(
                    "the " + kind + " '" + value.name() + "' has the axes " + value.shape(),
                    rank + " axes",
                    EXPORT_AGAIN);
        }
    }

    private static String nameOf(TensorInfo tensor) {
        return tensor.type == ai.onnxruntime.OnnxJavaType.FLOAT
                ? "float32"
                : tensor.type.name().toLowerCase(Locale.ROOT);
    }
}
