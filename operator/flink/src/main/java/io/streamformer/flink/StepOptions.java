package io.streamformer.flink;

import static io.streamformer.options.Option.Scope.EVENT;
import static io.streamformer.options.Option.Scope.JOB;
import static io.streamformer.options.Option.Scope.ROUTE;
import static io.streamformer.options.OptionType.BYTES;
import static io.streamformer.options.OptionType.DURATION;
import static io.streamformer.options.OptionType.INTEGER;
import static io.streamformer.options.OptionType.STRING;
import static io.streamformer.options.OptionType.oneOf;

import io.streamformer.batch.Priority;
import io.streamformer.options.Option;
import java.time.Duration;
import java.util.List;
import org.apache.flink.annotation.Public;

/** How events go through a model in a Flink job. */
@Public
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
                    .check("at least 1", value -> value >= 1)
                    .help(
                            "Maximum events under way per subtask. Default: 1024, or rows per batch"
                                    + " × (batches in flight + 1) where that is more. Higher values"
                                    + " give batches more texts of similar length.");

    public static final Option<Long> ASYNC_CAPACITY_BYTES =
            Option.named("async.capacity-bytes", ROUTE, BYTES)
                    .defaultsTo(64L << 20)
                    .check("at least 1", value -> value >= 1)
                    .help(
                            "Bytes of events under way per subtask. With more, the subtask waits"
                                    + " for answers before it takes the next event, so that long"
                                    + " texts do not fill the heap.");

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

    /** All of them. */
    public static final List<Option<?>> ALL = Option.declaredIn(StepOptions.class);

    /** Events under way where nothing is set. */
    public static final int LEAST_CAPACITY = 1024;

    private StepOptions() {}
}
