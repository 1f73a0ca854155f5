package io.streamformer.job;

import io.streamformer.bundle.BundleReference;
import io.streamformer.bundle.Task;
import org.apache.flink.annotation.Public;

/**
 * What a job does with one bundle.
 *
 * @param task the manifest's task
 * @param bundle the bundle as it was at the submission
 * @param resultsTopic the topic that its results go to
 */
@Public
public record BundleRoute(
        String name, String version, Task task, BundleReference bundle, String resultsTopic) {}
