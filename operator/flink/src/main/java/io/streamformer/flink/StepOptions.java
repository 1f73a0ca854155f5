package io.streamformer.flink;

import static io.streamformer.options.Option.Scope.EVENT;
import static io.streamformer.options.Option.Scope.JOB;
import static io.streamformer.options.Option.Scope.ROUTE;
import static io.streamformer.options.OptionType.DURATION;
import static io.streamformer.options.OptionType.INTEGER;
import static io.streamformer.options.OptionType.STRING;
import static io.streamformer.options.OptionType.oneOf;

import io.streamformer.batch.Priority;
import io.streamformer.options.Option;
import java.time.Duration;

/** How events go through a model in a Flink job. */
public final class StepOptions {

    public static final Option<String> BUNDLE_CACHE =
            Option.named("bundle-cache", JOB, STRING)
                    .help(
                            "Folder on each TaskManager's disk for bundles from other file systems."
                                    + " Default: streamformer-bundles in its temporary folder.");

    public static final Option<Priority> PRIORITY =
            Option.named("priority", EVENT, oneOf(Priority.class))
                    .defaultsTo(Priority.NORMAL)
                    .help(
                            "Which of the jobs and events that share a model go first. Applies to"
                                    + " events that set no priority.");

    public static final Option<Integer> ASYNC_CAPACITY =
            Option.named("async.capacity", ROUTE, INTEGER)
                    .defaultsTo(1024)
                    .help(
                            "Maximum events under way per subtask; at least rows per batch ×"
                                    + " (batches in flight + 1). Higher values give batches more"
                                    + " texts of similar length, lower ones need less memory for"
                                    + " long texts.");

    public static final Option<Duration> ASYNC_TIMEOUT =
            Option.named("async.timeout", ROUTE, DURATION)
                    .defaultsTo(Duration.ofMinutes(5))
                    .check("at least 1 ms", value -> value.toMillis() >= 1)
                    .help(
                            "Longest time a run may work on an event before the event becomes a"
                                    + " dead letter. Waiting for the run does not count, so a"
                                    + " backlog loses nothing.");

    public static final Option<Order> ASYNC_ORDER =
            Option.named("async.order", ROUTE, oneOf(Order.class))
                    .defaultsTo(Order.ALL)
                    .help(
                            "all keeps the order of the events of a subtask. key keeps the order of"
                                    + " events with the same Kafka key, so that a slow one delays no"
                                    + " other key. none emits each result when it is ready.");

    private StepOptions() {}
}
