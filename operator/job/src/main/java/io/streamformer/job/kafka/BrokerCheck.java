package io.streamformer.job.kafka;

import io.streamformer.options.OptionType;
import io.streamformer.options.Options;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.regex.Pattern;
import org.apache.flink.annotation.Internal;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AdminClientConfig;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.DescribeTopicsOptions;
import org.apache.kafka.clients.admin.ListTransactionsOptions;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.admin.TransactionListing;
import org.apache.kafka.clients.admin.TransactionState;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.AuthenticationException;
import org.apache.kafka.common.errors.AuthorizationException;
import org.apache.kafka.common.errors.InterruptException;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.utils.Utils;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Questions to the brokers that decide whether a job can run. The client that submits the job asks
 * them all; the source asks those about its topic whenever it looks for partitions. No question
 * waits longer than the client's {@code default.api.timeout.ms}.
 */
@Internal
public final class BrokerCheck {

    private static final Logger LOG = LoggerFactory.getLogger(BrokerCheck.class);

    /** Longest wait for an answer where kafka.properties has no default.api.timeout.ms. */
    private static final Duration PATIENCE = Duration.ofSeconds(15);

    private static final Pattern COMMA = Pattern.compile("\\s*,\\s*");
    private static final int CONNECT_MILLIS = 3_000;

    /** More than the time between two checkpoints of most jobs. */
    private static final Duration WATCH = Duration.ofSeconds(12);

    private static final long POLL_MILLIS = 200;
    private static final String MAX_TRANSACTION = "transaction.max.timeout.ms";

    private final Options options;
    private final List<String> problems = new ArrayList<>();

    private BrokerCheck(Options options) {
        this.options = options;
    }

    /**
     * Asks the brokers whether a job can run.
     *
     * @param transactionPrefix start of the transactional ids of the job
     * @param resultsTopics topics that the job will write, besides its dead letters
     * @param restores whether the job begins with the state of an earlier one
     * @return the problems, each in one line with the next step; empty if there are none
     */
    public static List<String> problems(
            Options options,
            String transactionPrefix,
            Collection<String> resultsTopics,
            boolean restores) {
        BrokerCheck check = new BrokerCheck(options);
        try {
            check.ask(transactionPrefix, resultsTopics, restores);
        } catch (AuthenticationException e) {
            check.problems.add(
                    "The brokers "
                            + check.servers()
                            + " refuse the credentials: "
                            + e.getMessage()
                            + ". Correct security.protocol and the sasl or ssl settings in "
                            + KafkaOptions.KAFKA_PROPERTIES
                            + ".");
        } catch (TimeoutException e) {
            check.problems.add(check.silence());
        } catch (KafkaException e) {
            Throwable cause = e.getCause() == null ? e : e.getCause();
            check.problems.add(
                    "The brokers "
                            + check.servers()
                            + " cannot be asked: "
                            + cause.getMessage()
                            + ". Check "
                            + KafkaOptions.BOOTSTRAP_SERVERS
                            + " and "
                            + KafkaOptions.KAFKA_PROPERTIES
                            + ".");
        }
        return check.problems;
    }

    private void ask(String transactionPrefix, Collection<String> resultsTopics, boolean restores) {
        Admin admin = admin(options);
        try {
            Collection<Node> brokers = get(admin.describeCluster().nodes());
            SortedMap<String, AclOperation> topics = new TreeMap<>();
            resultsTopics.forEach(topic -> topics.put(topic, AclOperation.WRITE));
            topics.put(options.get(KafkaOptions.DEAD_LETTER_TOPIC), AclOperation.WRITE);
            topics.put(options.get(KafkaOptions.INPUT_TOPIC), AclOperation.READ);
            problems.addAll(ofTopics(admin, topics));
            checkGroup(admin, restores);
            if (options.get(KafkaOptions.DELIVERY_GUARANTEE) == DeliveryGuarantee.EXACTLY_ONCE) {
                checkTransactionTimeout(admin, brokers.iterator().next());
                checkNoOtherWrites(admin, transactionPrefix);
            }
        } finally {
            admin.close(Duration.ZERO);
        }
    }

    /**
     * The problems of some topics.
     *
     * @param topics names, with what the job does with each
     * @throws KafkaException if the brokers do not answer, or refuse the credentials
     */
    static List<String> ofTopics(Admin admin, SortedMap<String, AclOperation> topics) {
        List<String> found = new ArrayList<>();
        Map<String, KafkaFuture<TopicDescription>> answers =
                admin.describeTopics(
                                topics.keySet(),
                                new DescribeTopicsOptions().includeAuthorizedOperations(true))
                        .topicNameValues();
        topics.forEach(
                (topic, operation) -> {
                    try {
                        var rights = get(answers.get(topic)).authorizedOperations();
                        if (rights != null && !rights.contains(operation)) {
                            found.add(noRight(operation, "topic", topic));
                        }
                    } catch (UnknownTopicOrPartitionException e) {
                        found.add(
                                "The topic "
                                        + topic
                                        + " does not exist. Create it with kafka-topics.sh --create"
                                        + " --topic "
                                        + topic
                                        + ", or set its option to another topic.");
                    } catch (InvalidTopicException e) {
                        found.add("No topic can have the name " + topic + ". Choose another.");
                    } catch (AuthorizationException e) {
                        found.add(noRight(operation, "topic", topic));
                    }
                });
        return found;
    }

    private void checkGroup(Admin admin, boolean restores) {
        String group = options.get(KafkaOptions.INPUT_GROUP_ID);
        String topic = options.get(KafkaOptions.INPUT_TOPIC);
        boolean continues;
        try {
            continues =
                    get(admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata())
                            .entrySet()
                            .stream()
                            .anyMatch(
                                    offset ->
                                            offset.getKey().topic().equals(topic)
                                                    && offset.getValue() != null);
        } catch (AuthorizationException e) {
            problems.add(noRight(AclOperation.READ, "group", group));
            return;
        }
        if (continues
                && !restores
                && options.get(KafkaOptions.INPUT_START) == InputStart.COMMITTED) {
            problems.add(
                    KafkaOptions.INPUT_START
                            + " is committed, but the group "
                            + group
                            + " has committed offsets of "
                            + topic
                            + ", and a job that was cancelled may not have answered every event"
                            + " before them. Restore its last savepoint or checkpoint (flink run -s"
                            + " PATH), which loses nothing. Or set "
                            + KafkaOptions.INPUT_START
                            + " to resume-committed to skip what was under way, or to earliest to"
                            + " answer all events again, or give the job its own "
                            + KafkaOptions.INPUT_GROUP_ID
                            + ".");
        }
    }

    private void checkTransactionTimeout(Admin admin, Node broker) {
        Duration wanted = options.get(KafkaOptions.TRANSACTION_TIMEOUT);
        ConfigResource resource = new ConfigResource(ConfigResource.Type.BROKER, broker.idString());
        try {
            ConfigEntry setting =
                    get(admin.describeConfigs(List.of(resource)).all())
                            .get(resource)
                            .get(MAX_TRANSACTION);
            if (setting == null || setting.value() == null) {
                return;
            }
            Duration most = Duration.ofMillis(Long.parseLong(setting.value()));
            if (wanted.compareTo(most) > 0) {
                problems.add(
                        KafkaOptions.TRANSACTION_TIMEOUT
                                + " is "
                                + OptionType.DURATION.write(wanted)
                                + ", but the brokers allow at most "
                                + OptionType.DURATION.write(most)
                                + ". Lower it, or raise the brokers' "
                                + MAX_TRANSACTION
                                + ".");
            }
        } catch (KafkaException e) {
            // Kafka as a service may keep its brokers' settings to itself.
            LOG.info("{} is not checked: {}", MAX_TRANSACTION, e.toString());
        }
    }

    /**
     * Two jobs with one prefix abort each other's transactions. What a job that has ended left open
     * stays as it is until the broker ends it; another job begins new ones at its next checkpoint.
     * A job that writes nothing now is not found.
     */
    private void checkNoOtherWrites(Admin admin, String transactionPrefix) {
        Map<String, List<Long>> open = openTransactions(admin, transactionPrefix);
        long end = System.nanoTime() + WATCH.toNanos();
        while (!open.isEmpty() && System.nanoTime() - end < 0) {
            sleep();
            if (openTransactions(admin, transactionPrefix).entrySet().stream()
                    .anyMatch(one -> !one.getValue().equals(open.get(one.getKey())))) {
                problems.add(
                        "Another job is writing in transactions whose ids start with "
                                + transactionPrefix
                                + ". Stop it, or give this job its own "
                                + KafkaOptions.TRANSACTION_PREFIX
                                + ".");
                return;
            }
        }
    }

    /** Producer, epoch and start of each open transaction, by its id. */
    private static Map<String, List<Long>> openTransactions(Admin admin, String prefix) {
        List<String> ids =
                get(
                                admin.listTransactions(
                                                new ListTransactionsOptions()
                                                        .filterStates(
                                                                List.of(TransactionState.ONGOING)))
                                        .all())
                        .stream()
                        .map(TransactionListing::transactionalId)
                        .filter(id -> id.startsWith(prefix + "/"))
                        .toList();
        Map<String, List<Long>> open = new TreeMap<>();
        if (!ids.isEmpty()) {
            get(admin.describeTransactions(ids).all())
                    .forEach(
                            (id, one) ->
                                    open.put(
                                            id,
                                            List.of(
                                                    one.producerId(),
                                                    (long) one.producerEpoch(),
                                                    one.transactionStartTimeMs().orElse(-1))));
        }
        return open;
    }

    private static void sleep() {
        try {
            Thread.sleep(POLL_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptException(e);
        }
    }

    private static String noRight(AclOperation operation, String kind, String name) {
        return "The job has no right to "
                + operation.name().toLowerCase(Locale.ROOT)
                + " the "
                + kind
                + " "
                + name
                + ". Grant its user "
                + operation
                + " (kafka-acls.sh --add --"
                + kind
                + " "
                + name
                + "), or correct the credentials in "
                + KafkaOptions.KAFKA_PROPERTIES
                + ".";
    }

    /** Why no answer came: nobody listens, or somebody who speaks another protocol. */
    private String silence() {
        if (isListening()) {
            return "The brokers "
                    + servers()
                    + " accept connections but do not answer. They may require TLS or SASL: set"
                    + " security.protocol and its settings in "
                    + KafkaOptions.KAFKA_PROPERTIES
                    + ", and check that the addresses that they advertise can be reached.";
        }
        return "No broker can be reached at "
                + servers()
                + ". Check "
                + KafkaOptions.BOOTSTRAP_SERVERS
                + ", and that the brokers run.";
    }

    private boolean isListening() {
        return COMMA.splitAsStream(servers()).anyMatch(BrokerCheck::accepts);
    }

    private static boolean accepts(String server) {
        try (Socket socket = new Socket()) {
            socket.connect(
                    new InetSocketAddress(Utils.getHost(server), Utils.getPort(server)),
                    CONNECT_MILLIS);
            return true;
        } catch (IOException e) {
            LOG.debug("{} does not listen", server, e);
            return false;
        }
    }

    private String servers() {
        return options.get(KafkaOptions.BOOTSTRAP_SERVERS);
    }

    /** A client that gives up after the time of this class. */
    static Admin admin(Options options) {
        Properties properties = new Properties();
        properties.putAll(options.get(KafkaOptions.KAFKA_PROPERTIES));
        properties.put(
                AdminClientConfig.BOOTSTRAP_SERVERS_CONFIG,
                options.get(KafkaOptions.BOOTSTRAP_SERVERS));
        if (!properties.containsKey(AdminClientConfig.DEFAULT_API_TIMEOUT_MS_CONFIG)) {
            String millis = String.valueOf(PATIENCE.toMillis());
            properties.put(AdminClientConfig.DEFAULT_API_TIMEOUT_MS_CONFIG, millis);
            properties.put(AdminClientConfig.REQUEST_TIMEOUT_MS_CONFIG, millis);
        }
        return Admin.create(properties);
    }

    /** The answer; the client itself ends the wait after default.api.timeout.ms. */
    static <T> T get(KafkaFuture<T> answer) {
        try {
            return answer.get();
        } catch (ExecutionException e) {
            throw e.getCause() instanceof KafkaException known
                    ? known
                    : new KafkaException(e.getCause());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptException(e);
        }
    }
}
