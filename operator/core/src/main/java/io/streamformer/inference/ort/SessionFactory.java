package io.streamformer.inference.ort;

import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtProvider;
import ai.onnxruntime.OrtSession;
import ai.onnxruntime.providers.OrtCUDAProviderOptions;
import ai.onnxruntime.providers.OrtTensorRTProviderOptions;
import io.streamformer.inference.Device;
import io.streamformer.inference.SessionSetup;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Opens ONNX Runtime sessions on the device that is asked for, or on the CPU where it may. */
final class SessionFactory {

    private static final Logger LOG = LoggerFactory.getLogger(SessionFactory.class);

    /** A session and the device that it runs on. */
    record Opened(OrtSession session, Device device) {}

    private SessionFactory() {}

    /** Opens a session on one device. */
    static Opened open(Path graph, SessionSetup options) throws OrtException {
        Device wanted = options.device();
        if (!wanted.gpu()) {
            return new Opened(openOn(Device.CPU, graph, options), Device.CPU);
        }
        OrtProvider provider =
                wanted.provider() == Device.Provider.TENSORRT
                        ? OrtProvider.TENSOR_RT
                        : OrtProvider.CUDA;
        boolean built = OrtEnvironment.getAvailableProviders().contains(provider);
        if (!built && !wanted.required()) {
            LOG.debug("This build of ONNX Runtime knows no CUDA; '{}' runs on the CPU", wanted);
            return new Opened(openOn(Device.CPU, graph, options), Device.CPU);
        }
        if (!built) {
            throw new IllegalStateException(
                    "The device "
                            + wanted
                            + " needs ONNX Runtime with "
                            + provider
                            + ", but this build has only "
                            + OrtEnvironment.getAvailableProviders()
                            + ". Use the runtime jar of the Maven profile 'gpu', or set device to"
                            + " cpu.");
        }
        try {
            return new Opened(openOn(wanted, graph, options), wanted);
        } catch (OrtException | UnsatisfiedLinkError e) {
            if (wanted.required()) {
                throw new IllegalStateException(
                        "The device "
                                + wanted
                                + " cannot be used: "
                                + e.getMessage()
                                + ". Install the CUDA and cuDNN libraries that ONNX Runtime names,"
                                + " or set device to cpu.",
                        e);
            }
            LOG.warn("No CUDA device could be used; the CPU does the work", e);
            return new Opened(openOn(Device.CPU, graph, options), Device.CPU);
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
            switch (device.provider()) {
                case CPU -> {}
                case CUDA -> addCuda(session, device, options.providerOptions());
                case TENSORRT -> {
                    addTensorRt(session, device, options.providerOptions());
                    addCuda(session, device, Map.of());
                }
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

    private static void addTensorRt(
            OrtSession.SessionOptions session, Device device, Map<String, String> given)
            throws OrtException {
        try (OrtTensorRTProviderOptions tensorRt =
                new OrtTensorRTProviderOptions(device.indexes().get(0))) {
            for (Map.Entry<String, String> option : given.entrySet()) {
                tensorRt.add(option.getKey(), option.getValue());
            }
            session.addTensorrt(tensorRt);
        }
    }
}
