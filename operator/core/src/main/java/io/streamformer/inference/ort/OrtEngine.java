package io.streamformer.inference.ort;

import io.streamformer.bundle.Bundle;
import io.streamformer.inference.InferenceEngine;
import io.streamformer.inference.LoadedModel;
import io.streamformer.inference.SessionSetup;
import java.util.Set;
import org.apache.flink.annotation.Internal;

/** ONNX Runtime. */
@Internal
public enum OrtEngine implements InferenceEngine {
    INSTANCE;

    @Override
    public LoadedModel load(Bundle bundle, SessionSetup setup, Set<String> outputs) {
        return OrtModel.load(bundle, setup, outputs);
    }
}
