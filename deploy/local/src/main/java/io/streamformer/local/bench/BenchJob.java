package io.streamformer.local.bench;

import io.streamformer.bundle.DecodingOptions;
import io.streamformer.bundle.Task;
import io.streamformer.engine.ModelOptions;
import io.streamformer.flink.Order;
import io.streamformer.flink.StepOptions;
import io.streamformer.job.JobOptions;
import io.streamformer.job.kafka.KafkaOptions;
import io.streamformer.options.Options;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.connector.base.DeliveryGuarantee;

/**
 * A job of the benchmark: what it reads, which bundles of one task answer each event, and how.
 *
 * @param events the topic that it reads
 * @param ends whether it ends with the events that are there when it starts
 * @param bundles folders by the bundles' names
 * @param options how each bundle is run
 * @param capacity most events under way per bundle and subtask
 * @param order which results keep the order of their events
 * @param delivery exactly once shows results at checkpoints, at least once shows them at once
 */
record BenchJob(
        String events,
        boolean ends,
        Task task,
        Map<String, Path> bundles,
        Options options,
        int capacity,
        Order order,
        int parallelism,
        DeliveryGuarantee delivery) {

    /** Between two checkpoints, about as in a demo and in most jobs. */
    static final Duration CHECKPOINT_INTERVAL = Duration.ofSeconds(1);

    BenchJob {
        if (bundles.isEmpty()) {
            throw new IllegalArgumentException("A job needs at least one bundle.");
        }
        bundles = Map.copyOf(bundles);
    }

    /** The job of the demo over events that are ready: one bundle, exactly once. */
    static BenchJob closedLoop(
            String events, Task task, String name, Path folder, Options options, int parallelism) {
        return new BenchJob(
                events,
                true,
                task,
                Map.of(name, folder),
                options,
                StepOptions.LEAST_CAPACITY,
                StepOptions.ASYNC_ORDER.defaultValue(),
                parallelism,
                DeliveryGuarantee.EXACTLY_ONCE);
    }

    BenchJob with(Options other, int otherCapacity) {
        return new BenchJob(
                events, ends, task, bundles, other, otherCapacity, order, parallelism, delivery);
    }

    BenchJob with(Order other) {
        return new BenchJob(
                events, ends, task, bundles, options, capacity, other, parallelism, delivery);
    }

    /** The same bundle over a topic that does not end. */
    BenchJob endless(String otherEvents, DeliveryGuarantee otherDelivery) {
        return new BenchJob(
                otherEvents,
                false,
                task,
                bundles,
                options,
                capacity,
                order,
                parallelism,
                otherDelivery);
    }

    /** Most results that it may hold back at a time, for one before them that is not ready. */
    int underWay() {
        return capacity * parallelism * bundles.size();
    }

    /** A topic of results per bundle, for one run of the job. */
    Map<String, String> resultsTopics(String run) {
        Map<String, String> topics = new LinkedHashMap<>();
        bundles.keySet().forEach(name -> topics.put(name, "bench-" + name + "-" + run));
        return topics;
    }

    static String deadLetters(String run) {
        return "bench-dead-letters-" + run;
    }

    /** The options of one run of the job. */
    JobOptions jobOptions(String bootstrapServers, String run) {
        List<String> folders = new ArrayList<>();
        bundles.values().forEach(folder -> folders.add(folder.toAbsolutePath().toString()));
        JobOptions.Builder builder =
                JobOptions.builder()
                        .set(KafkaOptions.BOOTSTRAP_SERVERS, bootstrapServers)
                        .set(JobOptions.BUNDLES, folders)
                        .set(KafkaOptions.INPUT_TOPIC, events)
                        .set(KafkaOptions.INPUT_GROUP_ID, "bench-" + run)
                        .set(KafkaOptions.INPUT_BOUNDED, ends)
                        .set(KafkaOptions.DEAD_LETTER_TOPIC, deadLetters(run))
                        .set(ModelOptions.DEVICE, options.get(ModelOptions.DEVICE))
                        .set(ModelOptions.MAX_ROWS, options.get(ModelOptions.MAX_ROWS))
                        .set(ModelOptions.MAX_TOKENS, options.get(ModelOptions.MAX_TOKENS))
                        .set(ModelOptions.RUN_THREADS, options.get(ModelOptions.RUN_THREADS))
                        .set(
                                ModelOptions.INTRA_OP_THREADS,
                                options.get(ModelOptions.INTRA_OP_THREADS))
                        .set(StepOptions.ASYNC_CAPACITY, capacity)
                        .set(StepOptions.ASYNC_ORDER, order)
                        .set(JobOptions.PARALLELISM, parallelism)
                        .set(KafkaOptions.DELIVERY_GUARANTEE, delivery)
                        .set(JobOptions.CHECKPOINT_INTERVAL, CHECKPOINT_INTERVAL)
                        .set(JobOptions.JOB_NAME, "streamformer bench");
        if (options.get(ModelOptions.VARIANT) != null) {
            builder.set(ModelOptions.VARIANT, options.get(ModelOptions.VARIANT));
        }
        if (options.get(DecodingOptions.NUM_BEAMS) != null) {
            builder.set(DecodingOptions.NUM_BEAMS, options.get(DecodingOptions.NUM_BEAMS));
        }
        resultsTopics(run)
                .forEach((name, topic) -> builder.set("model." + name + ".results-topic", topic));
        return builder.build();
    }
}
