package io.streamformer.local;

import io.streamformer.bundle.Task;
import io.streamformer.flink.task.TaskRecords;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AdminClientConfig;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/**
 * The names of the topics.
 *
 * @param events texts to be answered
 * @param results answers, by task
 * @param deadLetters records that have no answer
 */
public record Topics(String events, Map<Task, String> results, String deadLetters) {

    /** How long a new topic may take until it has leaders. */
    private static final Duration PATIENCE = Duration.ofSeconds(30);

    private static final long POLL_MILLIS = 20;

    public Topics {
        results = Map.copyOf(results);
    }

    /** The names for some tasks, with something in front, for a Kafka that others use too. */
    public static Topics prefixed(String prefix, Set<Task> tasks) {
        Map<Task, String> results = new EnumMap<>(Task.class);
        for (Task task : tasks) {
            String topic = prefix + TaskRecords.of(task).defaultTopic();
            // Two tasks may have one default topic; here each needs its own.
            results.put(
                    task,
                    results.containsValue(topic) ? topic + "-" + DemoTasks.label(task) : topic);
        }
        return new Topics(prefix + "text-events", results, prefix + "text-dead-letters");
    }

    /** Every topic. */
    public List<String> all() {
        List<String> all = new ArrayList<>(outcomes());
        all.add(0, events);
        return all;
    }

    /** The topics that outcomes come back from. */
    public List<String> outcomes() {
        List<String> outcomes = new ArrayList<>(results.values());
        outcomes.add(deadLetters);
        return outcomes;
    }

    /** The topic of a task's answers. */
    public String resultsOf(Task task) {
        return results.get(task);
    }

    /** The task whose answers a topic has; empty for another topic. */
    public Optional<Task> taskOf(String topic) {
        return results.entrySet().stream()
                .filter(entry -> entry.getValue().equals(topic))
                .map(Map.Entry::getKey)
                .findFirst();
    }

    /** Creates the topics that are missing; those that exist stay as they are. */
    public void create(String bootstrapServers, int partitions, Map<String, String> settings)
            throws InterruptedException, ExecutionException {
        create(bootstrapServers, all(), partitions, settings);
    }

    /** Creates the topics that are missing. */
    public static void create(
            String bootstrapServers,
            List<String> topics,
            int partitions,
            Map<String, String> settings)
            throws InterruptedException, ExecutionException {
        try (Admin admin = admin(bootstrapServers)) {
            Set<String> existing = admin.listTopics().names().get();
            List<NewTopic> missing =
                    topics.stream()
                            .distinct()
                            .filter(name -> !existing.contains(name))
                            .map(
                                    name ->
                                            new NewTopic(
                                                            name,
                                                            Optional.of(partitions),
                                                            Optional.empty())
                                                    .configs(settings))
                            .toList();
            admin.createTopics(missing).all().get();
            awaitLeaders(admin, missing);
        }
    }

    /**
     * Waits until every partition has a leader: a topic exists some time before, and who asks then
     * sees fewer partitions or is sent away. An offset is only to be had from a leader.
     */
    private static void awaitLeaders(Admin admin, List<NewTopic> topics)
            throws InterruptedException, ExecutionException {
        Map<TopicPartition, OffsetSpec> ends = new HashMap<>();
        for (NewTopic topic : topics) {
            for (int partition = 0; partition < topic.numPartitions(); partition++) {
                ends.put(new TopicPartition(topic.name(), partition), OffsetSpec.latest());
            }
        }
        long end = System.nanoTime() + PATIENCE.toNanos();
        while (!haveLeaders(admin, ends)) {
            if (System.nanoTime() - end > 0) {
                throw new IllegalStateException(
                        "Some of "
                                + ends.keySet()
                                + " had no leader after "
                                + PATIENCE.toSeconds()
                                + " s. Look at the broker's log");
            }
            Thread.sleep(POLL_MILLIS);
        }
    }

    private static boolean haveLeaders(Admin admin, Map<TopicPartition, OffsetSpec> ends)
            throws InterruptedException, ExecutionException {
        try {
            admin.listOffsets(ends).all().get();
            return true;
        } catch (ExecutionException e) {
            // The client does not try this one again by itself: the topic may be just too new.
            if (e.getCause() instanceof UnknownTopicOrPartitionException) {
                return false;
            }
            throw e;
        }
    }

    /** Has a consumer group begin where the topic of events ends now. */
    public void skipEvents(String bootstrapServers, String group)
            throws InterruptedException, ExecutionException {
        try (Admin admin = admin(bootstrapServers)) {
            Map<TopicPartition, OffsetSpec> ends = new HashMap<>();
            admin.describeTopics(List.of(events))
                    .allTopicNames()
                    .get()
                    .get(events)
                    .partitions()
                    .forEach(
                            partition ->
                                    ends.put(
                                            new TopicPartition(events, partition.partition()),
                                            OffsetSpec.latest()));
            Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
            admin.listOffsets(ends)
                    .all()
                    .get()
                    .forEach(
                            (partition, end) ->
                                    offsets.put(partition, new OffsetAndMetadata(end.offset())));
            admin.alterConsumerGroupOffsets(group, offsets).all().get();
        }
    }

    private static Admin admin(String bootstrapServers) {
        return Admin.create(
                Map.of(
                        AdminClientConfig.BOOTSTRAP_SERVERS_CONFIG,
                        bootstrapServers,
                        AdminClientConfig.REQUEST_TIMEOUT_MS_CONFIG,
                        5_000,
                        AdminClientConfig.DEFAULT_API_TIMEOUT_MS_CONFIG,
                        15_000));
    }
}
