package io.streamformer.engine;

import io.streamformer.bundle.Bundle;
import io.streamformer.bundle.BundleException;
import io.streamformer.bundle.Manifest;
import io.streamformer.inference.Device;
import io.streamformer.inference.DeviceUnavailableException;
import io.streamformer.inference.InferenceEngine;
import io.streamformer.inference.LoadedModel;
import io.streamformer.inference.SessionSetup;
import io.streamformer.options.Options;
import io.streamformer.task.TaskDefinition;
import java.util.ArrayList;
import java.util.List;
import org.apache.flink.annotation.Internal;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The models of one session: one for each GPU, or one on the CPU; never both.
 *
 * @param variant the variant that runs; it depends on the device unless the options name one
 */
@Internal
public record DeviceModels(String variant, List<LoadedModel> models) implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(DeviceModels.class);

    /**
     * Opens them. With {@code auto} these are the GPUs that can be used, or else the CPU.
     *
     * @throws DeviceUnavailableException if a device that the options name cannot be used
     * @throws BundleException if the bundle has no variant for the device
     */
    public static DeviceModels open(Bundle bundle, Options options, InferenceEngine engine) {
        Device wanted = options.get(ModelOptions.DEVICE);
        String asked = options.get(ModelOptions.VARIANT);
        // A variant that no GPU runs was asked for, and a GPU was not.
        boolean cpuOnly = !wanted.required() && asked != null && !Manifest.runsOnGpu(asked);
        List<LoadedModel> models = new ArrayList<>();
        try {
            if (wanted.gpu() && !cpuOnly) {
                String variant = gpuVariant(bundle, asked);
                for (Device device : wanted.each()) {
                    try {
                        models.add(load(bundle, variant, device, options, engine));
                    } catch (DeviceUnavailableException e) {
                        if (wanted.required()) {
                            throw e;
                        }
                        LOG.info("{} is not used: {}", device, e.getMessage());
                    }
                }
                if (!models.isEmpty()) {
                    return new DeviceModels(variant, models);
                }
            }
            String variant = bundle.variantName(asked);
            models.add(load(bundle, variant, Device.CPU, options, engine));
            return new DeviceModels(variant, models);
        } catch (RuntimeException | Error e) {
            models.forEach(LoadedModel::close);
            throw e;
        }
    }

    private static String gpuVariant(Bundle bundle, String asked) {
        String variant =
                asked != null
                        ? bundle.variantName(asked)
                        : bundle.manifest().gpuVariant().orElse(null);
        if (variant == null || !Manifest.runsOnGpu(variant)) {
            throw new BundleException(
                    "a GPU runs the variant fp16 or fp32, since CUDA has no kernels for the"
                            + " products of int8",
                    variant == null
                            ? "only " + bundle.manifest().variants().keySet()
                            : "the variant " + variant,
                    "export the bundle with --variant fp16, or set "
                            + ModelOptions.DEVICE
                            + " to cpu");
        }
        return variant;
    }

    private static LoadedModel load(
            Bundle bundle, String variant, Device device, Options options, InferenceEngine engine) {
        return engine.load(
                bundle,
                new SessionSetup(
                        variant,
                        device,
                        options.get(ModelOptions.INTRA_OP_THREADS),
                        ModelOptions.cpuRunThreads(options),
                        options.get(ModelOptions.PROVIDER_OPTIONS)),
                TaskDefinition.of(bundle.manifest().task()).outputs());
    }

    @Override
    public void close() {
        models.forEach(LoadedModel::close);
    }
}
