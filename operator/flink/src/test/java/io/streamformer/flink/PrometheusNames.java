package io.streamformer.flink;

import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.apache.flink.metrics.LogicalScopeProvider;
import org.apache.flink.metrics.Metric;
import org.apache.flink.metrics.MetricConfig;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.metrics.reporter.MetricReporter;
import org.apache.flink.metrics.reporter.MetricReporterFactory;

/** Keeps this project's metrics under the names and labels that Flink gives them in Prometheus. */
public final class PrometheusNames implements MetricReporter, MetricReporterFactory {

    record Sample(String name, Map<String, String> labels, Metric metric) {}

    private static final Queue<Sample> SAMPLES = new ConcurrentLinkedQueue<>();

    static List<Sample> all() {
        return List.copyOf(SAMPLES);
    }

    @Override
    public MetricReporter createMetricReporter(Properties properties) {
        return this;
    }

    @Override
    public void open(MetricConfig config) {
        SAMPLES.clear();
    }

    @Override
    public void close() {}

    @Override
    public void notifyOfAddedMetric(Metric metric, String metricName, MetricGroup group) {
        String scope = LogicalScopeProvider.castFrom(group).getLogicalScope(text -> text, '_');
        if (scope.contains("streamformer")) {
            SAMPLES.add(
                    new Sample(
                            "flink_" + scope + "_" + metricName, group.getAllVariables(), metric));
        }
    }

    @Override
    public void notifyOfRemovedMetric(Metric metric, String metricName, MetricGroup group) {}
}
