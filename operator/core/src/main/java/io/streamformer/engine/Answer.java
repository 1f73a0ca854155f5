package io.streamformer.engine;

import io.streamformer.bundle.Manifest;
import io.streamformer.task.Prediction;
import org.apache.flink.annotation.Internal;

/**
 * A prediction and the model that made it.
 *
 * @param by the model that answered, which need not be the one that was opened first
 */
@Internal
public record Answer(Prediction prediction, ServedModel by) {

    /**
     * A model that answers.
     *
     * @param variant name of the variant that runs
     * @param bundleHash SHA-256 of the manifest, in hexadecimal digits
     */
    public record ServedModel(Manifest manifest, String variant, String bundleHash) {}
}
