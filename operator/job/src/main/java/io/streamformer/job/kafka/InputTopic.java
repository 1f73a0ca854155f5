package io.streamformer.job.kafka;

import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import org.apache.flink.connector.kafka.lineage.DefaultKafkaDatasetIdentifier;
import org.apache.flink.connector.kafka.lineage.KafkaDatasetIdentifierProvider;
import org.apache.flink.connector.kafka.source.enumerator.subscriber.KafkaSubscriber;
import org.apache.flink.runtime.execution.SuppressRestartsException;
import org.apache.kafka.clients.admin.AdminClient;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.errors.AuthenticationException;

/**
 * The partitions of the input topic. A topic that is missing, or that the job may not read, ends
 * the job at once, since no restart mends it; brokers that are away do not.
 */
final class InputTopic implements KafkaSubscriber, KafkaDatasetIdentifierProvider {

    private static final long serialVersionUID = 1L;

    private final String topic;
    private final KafkaSubscriber partitions;

    InputTopic(String topic) {
        this.topic = topic;
        partitions = KafkaSubscriber.getTopicListSubscriber(List.of(topic));
    }

    @Override
    public Set<TopicPartition> getSubscribedTopicPartitions(AdminClient admin) {
        List<String> problems;
        try {
            TreeMap<String, AclOperation> use = new TreeMap<>();
            use.put(topic, AclOperation.READ);
            problems = BrokerCheck.ofTopics(admin, use);
        } catch (AuthenticationException e) {
            throw new SuppressRestartsException(
                    new IllegalStateException(
                            "The brokers refuse the credentials: "
                                    + e.getMessage()
                                    + ". Correct "
                                    + KafkaOptions.KAFKA_PROPERTIES
                                    + " and submit the job again.",
                            e));
        }
        if (!problems.isEmpty()) {
            throw new SuppressRestartsException(
                    new IllegalStateException(String.join(" ", problems)));
        }
        return partitions.getSubscribedTopicPartitions(admin);
    }

    @Override
    public Optional<DefaultKafkaDatasetIdentifier> getDatasetIdentifier() {
        return Optional.of(DefaultKafkaDatasetIdentifier.ofTopics(List.of(topic)));
    }
}
