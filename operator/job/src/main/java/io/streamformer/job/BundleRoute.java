package io.streamformer.job;

import io.streamformer.bundle.Task;

/**
 * What a job does with one bundle.
 *
 * @param task the manifest's task
 * @param path the bundle's folder
 * @param resultsTopic the topic that its results go to
 */
public record BundleRoute(
        String name, String version, Task task, String path, String resultsTopic) {}
