package io.streamformer.inference;

import ai.onnxruntime.NodeInfo;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import ai.onnxruntime.TensorInfo;
import io.streamformer.bundle.BundleException;
import io.streamformer.bundle.Manifest;
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
    static final String MIN_NEW_TOKENS = "min_new_tokens";
    static final String NUM_BEAMS = "num_beams";
    static final String LENGTH_PENALTY = "length_penalty";
    static final String LOGITS = "logits";
    static final String SEQUENCES = "sequences";
    static final String SCORES = "scores";

    private static final String EXPORT_AGAIN =
            "build the bundle again with 'streamformer-export export'";

    private GraphCheck() {}

    static void verify(Manifest manifest, OrtSession session) throws OrtException {
        boolean generates = manifest.task().generates();
        verify("input", manifest.inputs(), session.getInputInfo());
        verify("output", manifest.outputs(), session.getOutputInfo());
        Set<String> known =
                generates
                        ? Set.of(
                                INPUT_IDS,
                                ATTENTION_MASK,
                                MAX_NEW_TOKENS,
                                MIN_NEW_TOKENS,
                                NUM_BEAMS,
                                LENGTH_PENALTY)
                        : Set.of(INPUT_IDS, ATTENTION_MASK, TOKEN_TYPE_IDS);
        for (String input : session.getInputNames()) {
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
        for (String output : generates ? List.of(SEQUENCES, SCORES) : List.of(LOGITS)) {
            if (!session.getOutputNames().contains(output)) {
                throw new BundleException(
                        "a graph for " + manifest.task() + " has the output " + output,
                        session.getOutputNames().toString(),
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

    private static String nameOf(TensorInfo tensor) {
        return tensor.type == ai.onnxruntime.OnnxJavaType.FLOAT
                ? "float32"
                : tensor.type.name().toLowerCase(Locale.ROOT);
    }
}
