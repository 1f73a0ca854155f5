package io.streamformer.flink.async;

import io.streamformer.bundle.BundleException;
import io.streamformer.bundle.BundleReference;
import io.streamformer.bundle.Manifest;
import io.streamformer.engine.Answer;
import io.streamformer.engine.InferencePipeline;
import io.streamformer.engine.ModelOptions;
import io.streamformer.engine.TextInput;
import io.streamformer.flink.RuntimeJar;
import io.streamformer.flink.bundle.BundleCache;
import io.streamformer.inference.Device;
import io.streamformer.options.Options;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import org.apache.flink.annotation.Internal;
import org.apache.flink.api.common.externalresource.ExternalResourceInfo;
import org.apache.flink.api.common.functions.RuntimeContext;

/** One subtask's lease on the pipeline of a bundle. */
@Internal
public final class PipelineModel implements Model {

    /** Name of the external resource under which Flink hands out GPUs. */
    private static final String GPU = "gpu";

    private final InferencePipeline pipeline;

    private PipelineModel(InferencePipeline pipeline) {
        this.pipeline = pipeline;
    }

    /**
     * Fetches the bundle and takes a lease on it.
     *
     * @param bundle the bundle, in any file system that Flink knows
     * @param cacheDirectory where bundles from elsewhere are kept on the TaskManager's disk; null
     *     for a folder in its temporary one
     */
    public record Lease(BundleReference bundle, Options options, String cacheDirectory)
            implements Source {
        @Override
        public Model open(RuntimeContext context) {
            RuntimeJar.requireNatives();
            try {
                return acquire(context);
            } catch (LinkageError e) {
                throw RuntimeJar.explain(e);
            }
        }

        private Model acquire(RuntimeContext context) {
            Path folder = BundleCache.in(cacheDirectory).fetch(bundle);
            Device device =
                    deviceFor(
                            options.get(ModelOptions.DEVICE),
                            context.getExternalResourceInfos(GPU));
            Options effective = options.with(ModelOptions.DEVICE, device);
            InferencePipeline pipeline = InferencePipeline.acquire(folder, effective);
            try {
                bundle.check(pipeline.bundle().hash());
            } catch (BundleException e) {
                // The folder changed after it was fetched.
                pipeline.close();
                throw e;
            }
            InferenceMetrics.registerSession(
                    context.getMetricGroup(), pipeline, effective.get(ModelOptions.MAX_ROWS));
            return new PipelineModel(pipeline);
        }

        @Override
        public int neededCapacity() {
            int threads =
                    Math.max(
                            ModelOptions.cpuRunThreads(options),
                            options.get(ModelOptions.DEVICE).indexes().size());
            return (int)
                    Math.min(
                            Integer.MAX_VALUE, options.get(ModelOptions.MAX_ROWS) * (threads + 1L));
        }
    }

    /** The device that was asked for; where that is {@code auto}, the GPUs that Flink hands out. */
    static Device deviceFor(Device wanted, Set<ExternalResourceInfo> gpus) {
        List<Integer> indexes =
                gpus.stream()
                        .map(info -> info.getProperty("index"))
                        .flatMap(Optional::stream)
                        .map(Integer::valueOf)
                        .sorted()
                        .toList();
        return wanted.equals(Device.AUTO) && !indexes.isEmpty()
                ? new Device(Device.Provider.CUDA, indexes, false)
                : wanted;
    }

    @Override
    public Manifest manifest() {
        return pipeline.bundle().manifest();
    }

    @Override
    public int minimumCapacity() {
        return pipeline.minimumCapacity();
    }

    @Override
    public CompletableFuture<Answer> submit(TextInput input, Duration timeout) {
        return pipeline.submit(input, timeout);
    }

    @Override
    public void close() {
        pipeline.close();
    }
}
