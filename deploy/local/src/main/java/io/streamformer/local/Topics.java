package io.streamformer.local;

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

/**
 * The names of the topics.
 *
 * @param events texts to be answered
 * @param sentiment answers of a classifier
 * @param translations answers of a translation model
 * @param deadLetters records that have no answer
 */
public record Topics(String events, String sentiment, String translations, String deadLetters) {

    /** The names with something in front, for a Kafka that others use too. */
    public static Topics prefixed(String prefix) {
        return new Topics(
                prefix + "text-events",
                prefix + "text-sentiment",
                prefix + "text-translations",
                prefix + "text-dead-letters");
    }

    /** Every topic. */
    public List<String> all() {
        return List.of(events, sentiment, translations, deadLetters);
    }

    /** The topic of a task's answers. */
    String resultsOf(DemoTask task) {
        return task == DemoTask.SENTIMENT ? sentiment : translations;
    }

    /** Creates the topics that are missing; those that exist stay as they are. */
    public void create(String bootstrapServers, int partitions, Map<String, String> settings)
            throws InterruptedException, ExecutionException {
        try (Admin admin = admin(bootstrapServers)) {
            Set<String> existing = admin.listTopics().names().get();
            List<NewTopic> missing =
                    all().stream()
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
        admin.listOffsets(ends).all().get();
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
