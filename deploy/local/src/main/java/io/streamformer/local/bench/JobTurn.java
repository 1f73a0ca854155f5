package io.streamformer.local.bench;

import io.streamformer.bundle.Task;
import io.streamformer.engine.InferencePipeline;
import io.streamformer.job.StreamformerJob;
import io.streamformer.local.DemoTasks;
import io.streamformer.local.LocalCluster;
import io.streamformer.local.RunningJob;
import io.streamformer.local.Topics;
import io.streamformer.schemas.RecordCodec;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
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
 * The job over a topic that is ready: from the first counted to the last committed result, by the
 * broker's clock.
 */
final class JobTurn {

    /** A job that runs, and the topics that its outcomes come to. */
    record Started(RunningJob job, List<String> results, String deadLetters)
            implements AutoCloseable {

        List<String> outcomes() {
            List<String> outcomes = new ArrayList<>(results);
            outcomes.add(deadLetters);
            return outcomes;
        }

        @Override
        public void close() {
            job.close();
        }
    }

    private final String bootstrapServers;
    private final LocalCluster cluster;

    JobTurn(String bootstrapServers, LocalCluster cluster) {
        this.bootstrapServers = bootstrapServers;
        this.cluster = cluster;
    }

    /** Starts a job with new topics for its outcomes. */
    Started start(BenchJob job) throws Exception {
        String run = UUID.randomUUID().toString().substring(0, 8);
        List<String> results = List.copyOf(job.resultsTopics(run).values());
        StreamExecutionEnvironment environment = cluster.environment();
        StreamformerJob.build(environment, job.jobOptions(bootstrapServers, run));
        List<String> topics = new ArrayList<>(results);
        topics.add(BenchJob.deadLetters(run));
        // The broker stamps each result as it arrives: commits come in bursts, results do not.
        Topics.create(
                bootstrapServers,
                topics,
                job.parallelism(),
                Map.of("message.timestamp.type", "LogAppendTime"));
        return new Started(cluster.submit(environment), results, BenchJob.deadLetters(run));
    }

    /**
     * Runs a job to its end.
     *
     * @param pipelines leases on the sessions that the job will join, for their counters
     * @param answers results that it gives: one per event and bundle
     */
    Turn run(BenchJob job, Collection<InferencePipeline> pipelines, int answers) throws Exception {
        DeviceWork before = DeviceWork.of(pipelines);
        try (Started started = start(job)) {
            started.job().awaitEnd();
            return read(started, job.task(), answers)
                    .after(
                            WarmUp.of(answers, job.underWay()),
                            DeviceWork.of(pipelines).since(before));
        }
    }

    /** Reads when the committed results of a job that has ended arrived. */
    ResultTimes read(Started ended, Task task, int answers) throws IOException {
        RecordCodec<?> codec = RecordCodec.of(DemoTasks.recordClass(task));
        long[] millis = new long[answers];
        int seen = 0;
        long inputTokens = 0;
        long outputTokens = 0;
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(bootstrapServers, ended.results())) {
            Set<TopicPartition> open = new HashSet<>(consumer.assignment());
            consumer.seekToBeginning(open);
            Map<TopicPartition, Long> ends = consumer.endOffsets(open);
            while (!open.isEmpty()) {
                for (ConsumerRecord<byte[], byte[]> record :
                        consumer.poll(Duration.ofMillis(200))) {
                    if (seen < answers) {
                        millis[seen] = record.timestamp();
                    }
                    seen++;
                    SpecificRecordBase answer = codec.decode(record.value());
                    inputTokens += count(answer, "input_tokens");
                    outputTokens += count(answer, "output_tokens");
                }
                open.removeIf(partition -> consumer.position(partition) >= ends.get(partition));
            }
        }
        if (seen != answers) {
            throw new IllegalStateException(
                    "Of "
                            + answers
                            + " results, "
                            + seen
                            + " were committed. Is a text of --texts blank or unreadable?");
        }
        return new ResultTimes(millis, inputTokens, outputTokens);
    }

    /** A consumer of all partitions of some topics that sees what is committed. */
    static KafkaConsumer<byte[], byte[]> consumer(String bootstrapServers, List<String> topics) {
        KafkaConsumer<byte[], byte[]> consumer =
                new KafkaConsumer<>(
                        Map.of(
                                ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG,
                                bootstrapServers,
                                ConsumerConfig.ISOLATION_LEVEL_CONFIG,
                                "read_committed"),
                        new ByteArrayDeserializer(),
                        new ByteArrayDeserializer());
        consumer.assign(
                topics.stream()
                        .flatMap(topic -> consumer.partitionsFor(topic).stream())
                        .map(info -> new TopicPartition(info.topic(), info.partition()))
                        .toList());
        return consumer;
    }

    /** A field of an answer; 0 where the task has none of the name. */
    private static int count(SpecificRecordBase answer, String field) {
        return answer.getSchema().getField(field) == null ? 0 : (Integer) answer.get(field);
    }
}
