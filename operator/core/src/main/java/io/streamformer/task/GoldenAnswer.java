package io.streamformer.task;

import org.apache.flink.annotation.Internal;

/** The reference's answer to a golden text. */
@Internal
public interface GoldenAnswer {

    /**
     * Compares a model's answer.
     *
     * @return what differs, in words; null where the answer counts as equal
     * @throws io.streamformer.bundle.BundleException if a score differs by more than the tolerance
     */
    String difference(Prediction actual, GoldenCheck check);
}
