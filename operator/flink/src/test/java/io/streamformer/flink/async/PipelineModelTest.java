package io.streamformer.flink.async;

import static org.assertj.core.api.Assertions.assertThat;

import io.streamformer.engine.InferencePipeline;
import io.streamformer.engine.ModelOptions;
import io.streamformer.engine.TextInput;
import io.streamformer.inference.Device;
import io.streamformer.options.Options;
import io.streamformer.testing.TestBundle;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.apache.flink.api.common.externalresource.ExternalResourceInfo;
import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.Gauge;
import org.apache.flink.metrics.Histogram;
import org.apache.flink.metrics.Metric;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.metrics.groups.UnregisteredMetricsGroup;
import org.junit.jupiter.api.Test;

class PipelineModelTest {

    @Test
    void theGpusThatFlinkHandsOutAreTaken() {
        Set<ExternalResourceInfo> gpus = Set.of(new Gpu("3"), new Gpu("1"));
        Device both = PipelineModel.deviceFor(Device.AUTO, gpus);
        assertThat(both).isEqualTo(new Device(Device.Provider.CUDA, List.of(1, 3), false));
        assertThat(both.each()).hasSize(2);
    }

    @Test
    void aDeviceThatWasNamedIsTaken() {
        Set<ExternalResourceInfo> gpus = Set.of(new Gpu("3"));
        assertThat(PipelineModel.deviceFor(Device.CPU, gpus)).isEqualTo(Device.CPU);
        assertThat(PipelineModel.deviceFor(Device.cuda(0), gpus)).isEqualTo(Device.cuda(0));
        assertThat(PipelineModel.deviceFor(Device.AUTO, Set.of())).isEqualTo(Device.AUTO);
    }

    @Test
    void aSessionTellsWhatItDid() {
        Recorder recorder = new Recorder("", new HashMap<>());
        Options options = Options.DEFAULTS.with(ModelOptions.DEVICE, Device.CPU);
        try (InferencePipeline pipeline =
                InferencePipeline.acquire(TestBundle.resource(TestBundle.SENTIMENT), options)) {
            InferenceMetrics.registerSession(
                    recorder, pipeline, options.get(ModelOptions.MAX_ROWS));
            long rows = recorder.number("streamformer.session.rows");
            pipeline.submit(TextInput.of("Hello!")).join();
            assertThat(recorder.number("streamformer.session.rows")).isEqualTo(rows + 1);
            assertThat(recorder.number("streamformer.session.realTokens")).isPositive();
            assertThat(recorder.share("streamformer.session.paddingShare")).isBetween(0.0, 1.0);
            assertThat(recorder.share("streamformer.session.batchFill")).isBetween(0.0, 1.0);
            Histogram runs = (Histogram) recorder.metrics.get("streamformer.session.runTimeMs");
            assertThat(runs.getCount()).isPositive();
            assertThat(runs.getStatistics().getQuantile(0.99)).isPositive();
            assertThat(runs.getStatistics().getMean()).isPositive();
        }
    }

    @Test
    void answersAreCounted() {
        Recorder recorder = new Recorder("", new HashMap<>());
        InferenceMetrics metrics = new InferenceMetrics(recorder, () -> 5);
        metrics.result(true);
        metrics.result(false);
        assertThat(recorder.count("streamformer.results")).isEqualTo(2);
        assertThat(recorder.count("streamformer.truncated")).isEqualTo(1);
        assertThat(recorder.number("streamformer.inFlight")).isEqualTo(5);
    }

    /** A GPU as Flink describes it. */
    private record Gpu(String index) implements ExternalResourceInfo {
        @Override
        public Optional<String> getProperty(String key) {
            return key.equals("index") ? Optional.of(index) : Optional.empty();
        }

        @Override
        public Collection<String> getKeys() {
            return List.of("index");
        }
    }

    /** A metric group that keeps what is registered under its full name. */
    private static final class Recorder extends UnregisteredMetricsGroup {
        private final String path;
        private final Map<String, Metric> metrics;

        private Recorder(String path, Map<String, Metric> metrics) {
            this.path = path;
            this.metrics = metrics;
        }

        @Override
        public MetricGroup addGroup(String name) {
            return new Recorder(path + name + ".", metrics);
        }

        @Override
        public MetricGroup addGroup(String key, String value) {
            return addGroup(key).addGroup(value);
        }

        @Override
        public <C extends Counter> C counter(String name, C counter) {
            metrics.put(path + name, counter);
            return counter;
        }

        @Override
        public <T, G extends Gauge<T>> G gauge(String name, G gauge) {
            metrics.put(path + name, gauge);
            return gauge;
        }

        @Override
        public <H extends Histogram> H histogram(String name, H histogram) {
            metrics.put(path + name, histogram);
            return histogram;
        }

        private long count(String name) {
            return ((Counter) metrics.get(name)).getCount();
        }

        private long number(String name) {
            return (Long) ((Gauge<?>) metrics.get(name)).getValue();
        }

        private double share(String name) {
            return (Double) ((Gauge<?>) metrics.get(name)).getValue();
        }
    }
}
