package io.streamformer.inference;

import java.util.Map;
import org.apache.flink.annotation.Internal;

/**
 * How a session is set up.
 *
 * @param variant name of the graph; null takes the bundle's default
 * @param device one GPU, or the CPU
 * @param intraOpThreads threads that share one run
 * @param runThreads threads that run the model where the CPU does, each with a runner of its own
 * @param providerOptions options of ONNX Runtime's execution provider, by its own names
 */
@Internal
public record SessionSetup(
        String variant,
        Device device,
        int intraOpThreads,
        int runThreads,
        Map<String, String> providerOptions) {}
