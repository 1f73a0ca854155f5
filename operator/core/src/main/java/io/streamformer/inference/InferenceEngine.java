package io.streamformer.inference;

import io.streamformer.bundle.Bundle;
import java.util.Set;
import org.apache.flink.annotation.Internal;

/** Opens the graphs of bundles. There is one, on ONNX Runtime; tests bring a fake. */
@Internal
public interface InferenceEngine {

    /**
     * Opens the graph of a variant and checks it against the manifest.
     *
     * @param outputs names of the outputs that the graph must have
     * @throws io.streamformer.bundle.BundleException if the graph breaks a rule or cannot be loaded
     * @throws IllegalStateException if a required device is not there
     */
    LoadedModel load(Bundle bundle, SessionSetup setup, Set<String> outputs);
}
