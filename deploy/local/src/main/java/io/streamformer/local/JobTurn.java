package io.streamformer.local;

import io.streamformer.flink.JobOptions;
import io.streamformer.flink.RecordCodec;
import io.streamformer.flink.StreamformerJob;
import io.streamformer.pipeline.InferencePipeline;
import io.streamformer.pipeline.PipelineOptions;
import io.streamformer.pipeline.PipelineStats;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import org.apache.avro.specific.SpecificRecordBase;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * The job over a topic that lies ready: from the first counted to the last committed result, by the
 * broker's clock.
 */
final class JobTurn {

    /** Share of the results that only warm up. */
    static final double WARM_UP = 0.2;

    private record Result(long atMillis, int inputTokens, int outputTokens) {}

    private final String bootstrapServers;
    private final LocalCluster cluster;
    private final int parallelism;

    JobTurn(String bootstrapServers, LocalCluster cluster, int parallelism) {
        this.bootstrapServers = bootstrapServers;
        this.cluster = cluster;
        this.parallelism = parallelism;
    }

    /**
     * Runs the job over all events of a topic.
     *
     * @param pipeline a lease on the session that the job will join, for its counters
     * @param capacity most events under way
     */
    Turn run(
            String eventsTopic,
            Path bundle,
            DemoTask task,
            PipelineOptions options,
            InferencePipeline pipeline,
            int capacity,
            long expected)
            throws Exception {
        String id = UUID.randomUUID().toString().substring(0, 8);
        Topics topics =
                new Topics(eventsTopic, Map.of(task, "bench-" + id), "bench-dead-letters-" + id);
        // The broker stamps each result as it arrives: commits come in bursts, results do not.
        topics.create(
                bootstrapServers, parallelism, Map.of("message.timestamp.type", "LogAppendTime"));
        PipelineStats stats = pipeline.stats();
        long padded = stats.paddedTokens();
        long real = stats.realTokens();
        StreamExecutionEnvironment environment = cluster.environment();
        StreamformerJob.build(
                environment,
                JobOptions.builder()
                        .set(JobOptions.BOOTSTRAP_SERVERS, bootstrapServers)
                        .set(JobOptions.BUNDLES, List.of(bundle.toAbsolutePath().toString()))
                        .set(JobOptions.INPUT_TOPIC, eventsTopic)
                        .set(JobOptions.INPUT_GROUP_ID, "bench-" + id)
                        .set(JobOptions.INPUT_BOUNDED, true)
                        .set(JobOptions.RESULTS_TOPIC, topics.resultsOf(task))
                        .set(JobOptions.DEAD_LETTER_TOPIC, topics.deadLetters())
                        .set(JobOptions.DEVICE, options.device().toString())
                        .set(JobOptions.BATCH_MAX_ROWS, options.maxBatchRows())
                        .set(JobOptions.RUN_THREADS, options.runThreads())
                        .set(JobOptions.INTRA_OP_THREADS, options.intraOpThreads())
                        .set(JobOptions.ASYNC_CAPACITY, capacity)
                        .set(JobOptions.PARALLELISM, parallelism)
                        .set(JobOptions.CHECKPOINT_INTERVAL, Duration.ofSeconds(1))
                        .set(JobOptions.JOB_NAME, "streamformer bench")
                        .build());
        try (RunningJob job = cluster.submit(environment)) {
            job.awaitEnd();
        }
        List<Result> results = read(topics.resultsOf(task), task);
        if (results.size() != expected) {
            throw new IllegalStateException(
                    "Each of "
                            + expected
                            + " texts has one committed result, seen "
                            + results.size()
                            + ": is a text of --texts blank or unreadable?");
        }
        results.sort(Comparator.comparingLong(Result::atMillis));
        int first = (int) (expected * WARM_UP);
        List<Result> counted = results.subList(first, results.size());
        long millis = results.get(results.size() - 1).atMillis() - results.get(first).atMillis();
        return new Turn(
                counted.size(),
                Math.max(1, millis) / 1e3,
                counted.stream().mapToLong(Result::inputTokens).sum(),
                counted.stream().mapToLong(Result::outputTokens).sum(),
                stats.paddedTokens() - padded,
                stats.realTokens() - real);
    }

    private List<Result> read(String topic, DemoTask task) throws IOException {
        RecordCodec<?> codec = RecordCodec.of(task.recordClass());
        List<Result> results = new ArrayList<>();
        try (KafkaConsumer<byte[], byte[]> consumer =
                new KafkaConsumer<>(
                        Map.of(
                                ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG,
                                bootstrapServers,
                                ConsumerConfig.ISOLATION_LEVEL_CONFIG,
                                "read_committed"),
                        new ByteArrayDeserializer(),
                        new ByteArrayDeserializer())) {
            List<TopicPartition> partitions =
                    consumer.partitionsFor(topic).stream()
                            .map(info -> new TopicPartition(topic, info.partition()))
                            .toList();
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            Set<TopicPartition> open = new HashSet<>(partitions);
            while (!open.isEmpty()) {
                for (ConsumerRecord<byte[], byte[]> record :
                        consumer.poll(Duration.ofMillis(200))) {
                    SpecificRecordBase answer = codec.decode(record.value());
                    results.add(
                            new Result(
                                    record.timestamp(),
                                    count(answer, "input_tokens"),
                                    count(answer, "output_tokens")));
                }
                open.removeIf(partition -> consumer.position(partition) >= ends.get(partition));
            }
        }
        return results;
    }

    /** A field of an answer; 0 where the task has none of the name. */
    private static int count(SpecificRecordBase answer, String field) {
        return answer.getSchema().getField(field) == null ? 0 : (Integer) answer.get(field);
    }
}
