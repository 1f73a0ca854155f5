package io.streamformer.job;

import io.streamformer.bundle.Manifest;
import io.streamformer.engine.ModelOptions;
import io.streamformer.flink.StepOptions;
import io.streamformer.job.kafka.InputStart;
import io.streamformer.job.kafka.KafkaOptions;
import io.streamformer.options.Option;
import io.streamformer.options.OptionType;
import io.streamformer.options.Options;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The rules that options of a job obey, alone and together, in one place. */
final class JobRules {

    private static final Logger LOG = LoggerFactory.getLogger(JobRules.class);

    /** Kafka's default of the broker setting transaction.max.timeout.ms. */
    private static final Duration BROKER_MAX_TRANSACTION = Duration.ofMinutes(15);

    private JobRules() {}

    /** Checks what can be checked before the bundles are known. */
    static void check(JobOptions options) {
        JobKeys.check(options.given().keySet());
        require(
                options.find(KafkaOptions.BOOTSTRAP_SERVERS).isPresent(),
                KafkaOptions.BOOTSTRAP_SERVERS);
        require(!options.get(JobOptions.BUNDLES).isEmpty(), JobOptions.BUNDLES);
        checkTransactions(options);
        check(
                !options.get(KafkaOptions.INPUT_BOUNDED)
                        || options.get(KafkaOptions.INPUT_START) != InputStart.LATEST,
                KafkaOptions.INPUT_START
                        + " is latest, where a bounded job ends. Set it to earliest or committed,"
                        + " or set "
                        + KafkaOptions.INPUT_BOUNDED
                        + " to false.");
    }

    /** Checks what the bundles' names and topics have to fulfil together. */
    static void checkRoutes(JobOptions options, List<BundleRoute> routes) {
        Map<String, String> users = new HashMap<>();
        users.put(options.get(KafkaOptions.INPUT_TOPIC), KafkaOptions.INPUT_TOPIC.key());
        checkTopicIsFree(
                users,
                options.get(KafkaOptions.DEAD_LETTER_TOPIC),
                KafkaOptions.DEAD_LETTER_TOPIC.key());
        Map<String, String> paths = new HashMap<>();
        for (BundleRoute route : routes) {
            String other = paths.putIfAbsent(route.name(), route.bundle().uri());
            check(
                    other == null,
                    route.bundle().uri()
                            + " and "
                            + other
                            + " are both bundles with the name "
                            + route.name()
                            + ". Remove one of them.");
            checkTopicIsFree(
                    users,
                    route.resultsTopic(),
                    JobKeys.ofBundle(JobOptions.RESULTS_TOPIC, route.name()));
            checkCapacity(options.forBundle(route.name()), route.name());
        }
        JobKeys.check(options.given().keySet(), paths.keySet());
    }

    /** Checks that a bundle's graph can do what the options ask for. */
    static void checkFits(Options options, Manifest manifest) {
        try {
            ModelOptions.checkFits(options, manifest);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(
                    "The options of " + manifest.name() + " do not fit it: " + e.getMessage(), e);
        }
    }

    private static void checkTopicIsFree(Map<String, String> users, String topic, String option) {
        String other = users.putIfAbsent(topic, option);
        check(
                other == null,
                topic
                        + " is the topic of "
                        + other
                        + " and of "
                        + option
                        + ". Set one of them to another topic.");
    }

    /** What is set must do for one run thread; the default does for all of them. */
    private static void checkCapacity(Options options, String bundle) {
        int threads = Math.max(1, options.get(ModelOptions.RUN_THREADS));
        long least = options.get(ModelOptions.MAX_ROWS) * (threads + 1L);
        options.find(StepOptions.ASYNC_CAPACITY)
                .ifPresent(
                        capacity ->
                                check(
                                        capacity >= least,
                                        JobKeys.ofBundle(StepOptions.ASYNC_CAPACITY, bundle)
                                                + " is "
                                                + capacity
                                                + ". It must be at least "
                                                + least
                                                + ": rows per batch × (batches in flight + 1). Raise"
                                                + " it, remove it, or lower "
                                                + ModelOptions.MAX_ROWS
                                                + "."));
    }

    private static void checkTransactions(JobOptions options) {
        if (options.get(KafkaOptions.DELIVERY_GUARANTEE) != DeliveryGuarantee.EXACTLY_ONCE) {
            return;
        }
        Duration interval = options.get(JobOptions.CHECKPOINT_INTERVAL);
        Duration transaction = options.get(KafkaOptions.TRANSACTION_TIMEOUT);
        check(
                transaction.compareTo(interval) > 0,
                KafkaOptions.TRANSACTION_TIMEOUT
                        + " is "
                        + OptionType.DURATION.write(transaction)
                        + ". It must be more than "
                        + JobOptions.CHECKPOINT_INTERVAL
                        + ", which is "
                        + OptionType.DURATION.write(interval)
                        + ". Raise the first or lower the second.");
        if (transaction.compareTo(BROKER_MAX_TRANSACTION) > 0) {
            LOG.warn(
                    "{} is {}. Brokers refuse more than their transaction.max.timeout.ms, by"
                            + " default 15 min.",
                    KafkaOptions.TRANSACTION_TIMEOUT,
                    OptionType.DURATION.write(transaction));
        }
    }

    private static void require(boolean isSet, Option<?> option) {
        check(isSet, option + " is not set. Give --" + option + ".");
    }

    private static void check(boolean holds, String message) {
        if (!holds) {
            throw new IllegalArgumentException(message);
        }
    }
}
