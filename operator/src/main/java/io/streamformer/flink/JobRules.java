package io.streamformer.flink;

import io.streamformer.bundle.Manifest;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The rules that options of a job obey, alone and together, in one place. */
final class JobRules {

    private static final Logger LOG = LoggerFactory.getLogger(JobRules.class);

    /** Kafka's default of the broker setting transaction.max.timeout.ms. */
    private static final Duration BROKER_MAX_TRANSACTION = Duration.ofMinutes(15);

    private static final Duration SHORTEST_CHECKPOINT_INTERVAL = Duration.ofMillis(10);

    /** Room for a dead letter's reason and stack trace. */
    private static final long SMALLEST_RECORD = 50_000;

    private JobRules() {}

    /** Checks what can be checked before the bundles are known. */
    static void check(JobOptions options) {
        checkKeys(options);
        checkValues(options);
        require(options, JobOptions.BOOTSTRAP_SERVERS);
        require(options, JobOptions.BUNDLES);
        check(
                !options.get(JobOptions.BUNDLES).isEmpty(),
                "a job has at least one bundle",
                "none",
                "set " + JobOptions.BUNDLES.key());
        checkPositive(options);
        checkTransactions(options);
        check(
                options.get(JobOptions.MAX_RECORD_BYTES).getBytes() >= SMALLEST_RECORD,
                JobOptions.MAX_RECORD_BYTES.key() + " is at least " + SMALLEST_RECORD + " bytes",
                options.get(JobOptions.MAX_RECORD_BYTES),
                "raise it");
        check(
                !options.get(JobOptions.INPUT_BOUNDED)
                        || options.get(JobOptions.INPUT_START) != InputStart.LATEST,
                "a bounded job begins before the latest offsets, where it ends",
                JobOptions.INPUT_START.key() + " latest",
                "set it to earliest or committed, or "
                        + JobOptions.INPUT_BOUNDED.key()
                        + " to false");
    }

    /** Checks what the bundles' names and topics have to fulfil together. */
    static void checkRoutes(JobOptions options, List<BundleRoute> routes) {
        Map<String, String> users = new HashMap<>();
        users.put(options.get(JobOptions.INPUT_TOPIC), JobOptions.INPUT_TOPIC.key());
        checkTopicIsFree(
                users,
                options.get(JobOptions.DEAD_LETTER_TOPIC),
                JobOptions.DEAD_LETTER_TOPIC.key());
        Map<String, String> paths = new HashMap<>();
        for (BundleRoute route : routes) {
            String other = paths.putIfAbsent(route.name(), route.path());
            check(
                    other == null,
                    "the bundles of a job have different names",
                    route.name() + " in " + other + " and in " + route.path(),
                    "leave one out");
            checkTopicIsFree(
                    users,
                    route.resultsTopic(),
                    JobOptions.MODEL_PREFIX + route.name() + ".results-topic");
            checkCapacity(options.forBundle(route.name()), route.name());
        }
        checkBundleKeys(options, paths.keySet());
    }

    /** Checks that a bundle's graph can do what the options ask for. */
    static void checkFits(JobOptions options, Manifest manifest) {
        try {
            options.pipeline().checkFits(manifest);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(
                    "Bad options for " + manifest.name() + ": " + e.getMessage(), e);
        }
    }

    private static void checkTopicIsFree(Map<String, String> users, String topic, String option) {
        String other = users.putIfAbsent(topic, option);
        check(
                other == null,
                "the topics of a job are different",
                topic + " for " + other + " and for " + option,
                "set one of them to another topic");
    }

    private static void checkCapacity(JobOptions options, String bundle) {
        long rows = options.get(JobOptions.BATCH_MAX_ROWS);
        long least = rows * (Math.max(1, options.get(JobOptions.RUN_THREADS)) + 1);
        check(
                options.get(JobOptions.ASYNC_CAPACITY) >= least,
                JobOptions.ASYNC_CAPACITY.key()
                        + " is at least rows per batch x (batches in flight + 1) = "
                        + least
                        + " for "
                        + bundle,
                options.get(JobOptions.ASYNC_CAPACITY),
                "raise it, or lower " + JobOptions.BATCH_MAX_ROWS.key());
    }

    private static void checkPositive(JobOptions options) {
        options.find(JobOptions.PARALLELISM)
                .ifPresent(
                        parallelism ->
                                check(
                                        parallelism >= 1,
                                        JobOptions.PARALLELISM.key() + " is at least 1",
                                        parallelism,
                                        "raise it"));
        check(
                options.get(JobOptions.ASYNC_TIMEOUT).toMillis() >= 1,
                JobOptions.ASYNC_TIMEOUT.key() + " is at least 1 ms",
                options.get(JobOptions.ASYNC_TIMEOUT),
                "raise it");
        try {
            options.pipeline();
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(
                    "An option of the model has no such value: " + e.getMessage(), e);
        }
    }

    private static void checkTransactions(JobOptions options) {
        Duration interval = options.get(JobOptions.CHECKPOINT_INTERVAL);
        check(
                interval.compareTo(SHORTEST_CHECKPOINT_INTERVAL) >= 0,
                JobOptions.CHECKPOINT_INTERVAL.key() + " is at least 10 ms",
                interval,
                "raise it");
        if (options.get(JobOptions.DELIVERY_GUARANTEE) != DeliveryGuarantee.EXACTLY_ONCE) {
            return;
        }
        Duration transaction = options.get(JobOptions.TRANSACTION_TIMEOUT);
        check(
                transaction.compareTo(interval) > 0,
                "a transaction outlives the time between checkpoints: "
                        + JobOptions.TRANSACTION_TIMEOUT.key()
                        + " is more than "
                        + JobOptions.CHECKPOINT_INTERVAL.key()
                        + " "
                        + interval,
                transaction,
                "raise the one or lower the other");
        if (transaction.compareTo(BROKER_MAX_TRANSACTION) > 0) {
            LOG.warn(
                    "{} is {}: brokers refuse more than their transaction.max.timeout.ms, by"
                            + " default 15 min",
                    JobOptions.TRANSACTION_TIMEOUT.key(),
                    transaction);
        }
    }

    private static void checkKeys(JobOptions options) {
        Set<String> known = keys();
        for (String key : options.configuration().keySet()) {
            // Keys of one bundle are held against the bundles' names once those are read.
            check(
                    known.contains(key)
                            || key.startsWith(JobOptions.MODEL_PREFIX)
                            || key.startsWith(JobOptions.KAFKA_PROPERTIES.key() + "."),
                    "every option is one of those that --help lists",
                    key,
                    "correct its name or leave it out");
        }
    }

    private static void checkBundleKeys(JobOptions options, Set<String> bundles) {
        Set<String> known = keys();
        for (String key : options.configuration().keySet()) {
            if (!key.startsWith(JobOptions.MODEL_PREFIX) || known.contains(key)) {
                continue;
            }
            boolean ofBundle =
                    bundles.stream()
                            .map(name -> JobOptions.MODEL_PREFIX + name + ".")
                            .filter(key::startsWith)
                            .map(own -> JobOptions.MODEL_PREFIX + key.substring(own.length()))
                            .anyMatch(known::contains);
            check(
                    ofBundle,
                    "an option of one bundle is model.<bundle name>.<option>, with one of the"
                            + " bundles "
                            + bundles,
                    key,
                    "correct its name or leave it out");
        }
    }

    private static Set<String> keys() {
        return JobOptions.all().stream().map(ConfigOption::key).collect(Collectors.toSet());
    }

    private static void checkValues(JobOptions options) {
        for (OptionsText.Declared declared : OptionsText.declared()) {
            try {
                options.find(declared.option());
            } catch (IllegalArgumentException e) {
                throw new IllegalArgumentException(
                        "The value of "
                                + declared.option().key()
                                + " is a "
                                + declared.type()
                                + ", seen '"
                                + options.configuration().toMap().get(declared.option().key())
                                + "': correct it",
                        e);
            }
        }
    }

    private static void require(JobOptions options, ConfigOption<?> option) {
        check(
                options.find(option).isPresent(),
                option.key() + " is set",
                "nothing",
                "give --" + option.key());
    }

    private static void check(boolean holds, String rule, Object seen, String nextStep) {
        if (!holds) {
            throw new IllegalArgumentException(
                    "Bad options: " + rule + ". Seen: " + seen + ". Next step: " + nextStep);
        }
    }
}
