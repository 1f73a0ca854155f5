package io.streamformer.inference.ort;

import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtProvider;
import ai.onnxruntime.OrtSession;
import ai.onnxruntime.providers.OrtCUDAProviderOptions;
import io.streamformer.inference.Device;
import io.streamformer.inference.DeviceUnavailableException;
import io.streamformer.inference.SessionSetup;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/** Opens ONNX Runtime sessions. */
final class SessionFactory {

    private SessionFactory() {}

    /**
     * Opens a session on one device.
     *
     * @throws DeviceUnavailableException if it is a GPU that cannot be used
     */
    static OrtSession open(Path graph, SessionSetup options) throws OrtException {
        Device device = options.device();
        if (!device.gpu()) {
            return openOn(device, graph, options);
        }
        if (!OrtEnvironment.getAvailableProviders().contains(OrtProvider.CUDA)) {
            throw new DeviceUnavailableException(
                    "The device "
                            + device
                            + " needs ONNX Runtime with CUDA, but this build has only "
                            + OrtEnvironment.getAvailableProviders()
                            + ". Use the runtime jar of the Maven profile 'gpu', or set device to"
                            + " cpu.",
                    null);
        }
        try {
            return openOn(device, graph, options);
        } catch (OrtException | UnsatisfiedLinkError e) {
            throw new DeviceUnavailableException(
                    "The device "
                            + device
                            + " cannot be used: "
                            + e.getMessage()
                            + ". Install the CUDA and cuDNN libraries that ONNX Runtime names, or"
                            + " set device to cpu.",
                    e);
        }
    }

    private static OrtSession openOn(Device device, Path graph, SessionSetup options)
            throws OrtException {
        // Before the options: adding a provider logs, and fails where there is no environment yet.
        OrtEnvironment environment = OrtEnvironment.getEnvironment();
        try (OrtSession.SessionOptions session = new OrtSession.SessionOptions()) {
            session.setOptimizationLevel(OrtSession.SessionOptions.OptLevel.ALL_OPT);
            session.setExecutionMode(OrtSession.SessionOptions.ExecutionMode.SEQUENTIAL);
            session.setIntraOpNumThreads(options.intraOpThreads());
            session.setInterOpNumThreads(1);
            // Several run threads share the cores with Flink: a spinning thread would take one.
            session.addConfigEntry("session.intra_op.allow_spinning", "0");
            // Shapes differ from run to run, so a pattern learned from one is memory lost.
            session.setMemoryPatternOptimization(false);
            if (device.gpu()) {
                addCuda(session, device, options.providerOptions());
            }
            return environment.createSession(graph.toString(), session);
        }
    }

    private static void addCuda(
            OrtSession.SessionOptions session, Device device, Map<String, String> given)
            throws OrtException {
        try (OrtCUDAProviderOptions cuda = new OrtCUDAProviderOptions(device.indexes().get(0))) {
            for (Map.Entry<String, String> option : cudaOptions(given).entrySet()) {
                cuda.add(option.getKey(), option.getValue());
            }
            session.addCUDA(cuda);
        }
    }

    /** The CUDA provider's options: what the user gives, and our defaults for the rest. */
    static Map<String, String> cudaOptions(Map<String, String> given) {
        Map<String, String> options = new LinkedHashMap<>();
        // The default doubles the arena each time it grows, far beyond what runs need.
        options.put("arena_extend_strategy", "kSameAsRequested");
        // Every attention kernel but cuDNN's (8), which newer GPUs take first in half precision: it
        // is planned anew for each shape, and a decode loop has another shape in every step.
        options.put("sdpa_kernel", "119");
        options.putAll(given);
        return options;
    }
}
