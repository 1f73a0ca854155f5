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

/** The rules that options of a job obey, alone and together, in one place. */
final class JobRules {

    /** Ids of the operators that every job has. */
    static final List<String> JOB_IDS =
            List.of("text-events", "text-events-outcomes", "dead-letters", "dead-letters-size");

    /** What the ids of a bundle's operators have after the bundle's name. */
    static final List<String> ID_SUFFIXES =
            List.of("", "-outcomes", "-results", "-results-size", "-results-outcomes");

    private JobRules() {}

    /** Checks what can be checked before the bundles are known. */
    static void check(JobOptions options) {
        JobKeys.check(options.given().keySet());
        require(
                options.find(KafkaOptions.BOOTSTRAP_SERVERS).isPresent(),
                KafkaOptions.BOOTSTRAP_SERVERS);
        require(!options.get(JobOptions.BUNDLES).isEmpty(), JobOptions.BUNDLES);
        if (options.isGiven(JobOptions.CHECKPOINT_INTERVAL)) {
            checkTransactions(options, options.get(JobOptions.CHECKPOINT_INTERVAL));
        }
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
        Map<String, String> ids = new HashMap<>();
        JOB_IDS.forEach(id -> ids.put(id, "the job itself"));
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
            ID_SUFFIXES.forEach(suffix -> checkIdIsFree(ids, route.name(), suffix));
            checkTopicIsFree(
                    users,
                    route.resultsTopic(),
                    JobKeys.ofBundle(JobOptions.RESULTS_TOPIC, route.name()));
            checkCapacity(options.forBundle(route.name()), route.name());
        }
        JobKeys.check(options.given().keySet(), paths.keySet());
    }

    /** Checks that a bundle's graph can do what the options ask for. */
    static void checkFits(JobOptions options, Manifest manifest) {
        try {
            ModelOptions.checkFits(options.forBundle(manifest.name()), manifest);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(
                    "The options of "
                            + manifest.name()
                            + " do not fit it: "
                            + withGivenKeys(e.getMessage(), options, manifest.name()),
                    e);
        }
    }

    /** A message of the core, which knows no bundles' own keys, with the keys that were given. */
    private static String withGivenKeys(String message, JobOptions options, String bundle) {
        String named = message;
        for (Option<?> option : JobOptions.ALL) {
            String own = JobKeys.ofBundle(option, bundle);
            if (options.given().containsKey(own)) {
                named = named.replace(option.key() + " ", own + " ");
            }
        }
        return named;
    }

    private static void checkIdIsFree(Map<String, String> users, String bundle, String suffix) {
        String id = bundle + suffix;
        String other = users.putIfAbsent(id, "the bundle " + bundle);
        check(
                other == null,
                "The bundle "
                        + bundle
                        + " would have an operator with the id "
                        + id
                        + ", which "
                        + other
                        + " has. Export the bundle under another name.");
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

    /** Checks that transactions outlast the time between checkpoints, as it will be in the job. */
    static void checkTransactions(JobOptions options, Duration interval) {
        if (options.get(KafkaOptions.DELIVERY_GUARANTEE) != DeliveryGuarantee.EXACTLY_ONCE) {
            return;
        }
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
