package io.streamformer.flink.async;

import io.streamformer.bundle.BundleException;
import io.streamformer.bundle.Manifest;
import io.streamformer.engine.Answer;
import io.streamformer.engine.InferenceException;
import io.streamformer.engine.InferenceException.Stage;
import io.streamformer.flink.DeadLetters;
import io.streamformer.flink.Order;
import io.streamformer.flink.Outcome;
import io.streamformer.flink.StepOptions;
import io.streamformer.flink.Traced;
import io.streamformer.flink.state.RecordTypeInfo;
import io.streamformer.flink.task.TaskRecords;
import io.streamformer.options.Options;
import io.streamformer.schemas.DeadLetter;
import io.streamformer.schemas.RecordCodec;
import io.streamformer.schemas.TextEvent;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.avro.AvroRuntimeException;
import org.apache.avro.specific.SpecificRecordBase;
import org.apache.flink.annotation.Internal;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.java.typeutils.ResultTypeQueryable;
import org.apache.flink.runtime.execution.SuppressRestartsException;
import org.apache.flink.streaming.api.functions.async.ResultFuture;
import org.apache.flink.streaming.api.functions.async.RichAsyncFunction;
import org.apache.flink.util.InstantiationUtil;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The way of an event through a model: submitted when it comes, emitted as a result or a dead
 * letter when its future completes. It keeps no state of its own: Flink's async operator holds the
 * events that are under way and submits them again after a restore.
 *
 * @param <T> the record of the model's task
 */
@Internal
public final class InferenceAsyncFunction<T extends SpecificRecordBase>
        extends RichAsyncFunction<Traced<TextEvent>, Outcome<T>>
        implements ResultTypeQueryable<Outcome<T>> {

    private static final long serialVersionUID = 1L;

    /** A deadline that is further away is none. */
    private static final Duration FARTHEST_DEADLINE = Duration.ofDays(365);

    private static final Logger LOG = LoggerFactory.getLogger(InferenceAsyncFunction.class);

    private final Model.Source source;
    private final TaskRecords<T> records;
    private final Options options;

    private transient Model model;
    private transient Manifest manifest;
    private transient InferenceMetrics metrics;
    private transient RecordCodec<TextEvent> codec;

    /** Events that wait for their answer; who takes one out emits its outcome. */
    private transient Map<ResultFuture<Outcome<T>>, CompletableFuture<Answer>> inFlight;

    /** What the events in flight take, about. */
    private transient AtomicLong bytes;

    /** Null where the order of keys is not kept here. */
    private transient KeyOrder keyOrder;

    /**
     * An async function.
     *
     * @param options values of {@link StepOptions}
     */
    public InferenceAsyncFunction(Model.Source source, TaskRecords<T> records, Options options) {
        this.source = source;
        this.records = records;
        this.options = options;
    }

    /** The order of the results; Flink's own queue keeps the order of all. */
    Order order() {
        return options.get(StepOptions.ASYNC_ORDER);
    }

    /** Most events under way: what was set, or enough to keep this machine busy. */
    int capacity() {
        return options.find(StepOptions.ASYNC_CAPACITY)
                .orElseGet(() -> Math.max(StepOptions.LEAST_CAPACITY, source.neededCapacity()));
    }

    /** True where no further event may come before an answer. */
    boolean holdsTooManyBytes() {
        return bytes.get() >= options.get(StepOptions.ASYNC_CAPACITY_BYTES);
    }

    private Object writeReplace() throws IOException {
        return new FunctionBytes(
                InstantiationUtil.serializeObject(new Object[] {source, records, options}));
    }

    /** The function that {@link FunctionBytes} holds. */
    static InferenceAsyncFunction<?> read(byte[] bytes) throws IOException, ClassNotFoundException {
        Object[] fields =
                InstantiationUtil.deserializeObject(
                        bytes, InferenceAsyncFunction.class.getClassLoader());
        return new InferenceAsyncFunction<>(
                (Model.Source) fields[0], (TaskRecords<?>) fields[1], (Options) fields[2]);
    }

    @Override
    public void open(OpenContext context) {
        inFlight = new ConcurrentHashMap<>();
        bytes = new AtomicLong();
        keyOrder = order() == Order.KEY ? new KeyOrder() : null;
        codec = RecordCodec.of(TextEvent.class);
        metrics = new InferenceMetrics(getRuntimeContext().getMetricGroup(), inFlight::size);
        try {
            model = source.open(getRuntimeContext());
            manifest = model.manifest();
            checkTask();
            checkCapacity();
        } catch (BundleException | IllegalArgumentException e) {
            // No restart mends a wrong bundle or a wrong option.
            throw new SuppressRestartsException(e);
        } catch (LinkageError e) {
            // The same for a library that is missing or that another class loader holds.
            throw new SuppressRestartsException(
                    new IllegalStateException(
                            "The libraries of the model cannot be loaded: "
                                    + e
                                    + ". Put streamformer-runtime.jar of the job's release into"
                                    + " Flink's lib folder on every TaskManager, and leave it out of"
                                    + " the job's jar.",
                            e));
        }
    }

    private void checkTask() {
        if (manifest.task() != records.task()) {
            throw new BundleException(
                    "a bundle that gives "
                            + records.recordClass().getSimpleName()
                            + " records has the task "
                            + records.task(),
                    manifest.name() + " has the task " + manifest.task(),
                    "give a bundle of that task, or ask for the records of this one");
        }
    }

    private void checkCapacity() {
        if (capacity() < model.minimumCapacity()) {
            LOG.warn(
                    "{} is {}. {} needs {} events under way to keep the device busy: rows per batch"
                            + " x (batches in flight + 1). Raise it, or leave it away.",
                    StepOptions.ASYNC_CAPACITY.key(),
                    capacity(),
                    manifest.name(),
                    model.minimumCapacity());
        }
    }

    @Override
    public void asyncInvoke(Traced<TextEvent> event, ResultFuture<Outcome<T>> out) {
        if (keyOrder != null) {
            keyOrder.enter(event);
        }
        Optional<String> refusal = refuse(event.value());
        if (refusal.isPresent()) {
            fail(event, Stage.VALIDATE, refusal.get(), null, out);
            return;
        }
        Instant deadline = event.value().getDeadline();
        Duration left =
                deadline == null ? FARTHEST_DEADLINE : Duration.between(Instant.now(), deadline);
        if (left.isNegative() || left.isZero()) {
            fail(event, Stage.TIMEOUT, late(deadline), null, out);
            return;
        }
        CompletableFuture<Answer> future =
                model.submit(
                        records.input(event.value(), options.get(StepOptions.PRIORITY)),
                        options.get(StepOptions.ASYNC_TIMEOUT));
        if (left.compareTo(FARTHEST_DEADLINE) < 0) {
            // A row whose future is done leaves the queue before it costs device time.
            future.orTimeout(left.toMillis(), TimeUnit.MILLISECONDS);
        }
        long size = sizeOf(event);
        bytes.addAndGet(size);
        inFlight.put(out, future);
        var unused =
                future.whenComplete(
                        (answer, error) -> {
                            bytes.addAndGet(-size);
                            if (inFlight.remove(out, future)) {
                                complete(event, answer, error, out);
                            }
                        });
    }

    /** What an event takes on the heap, about: its record and its texts. */
    private static long sizeOf(Traced<TextEvent> event) {
        byte[] value = event.origin().value();
        return (value == null ? 0 : value.length)
                + Character.BYTES
                        * ((long) length(event.value().getText())
                                + length(event.value().getTextPair()));
    }

    private static int length(String text) {
        return text == null ? 0 : text.length();
    }

    private Optional<String> refuse(TextEvent event) {
        if (event.getId() == null) {
            return Optional.of("The event has no id.");
        }
        if (event.getText() == null || event.getText().isBlank()) {
            return Optional.of(
                    event.getText() == null
                            ? "The event has no text."
                            : "The text has only white space ("
                                    + event.getText().length()
                                    + " characters).");
        }
        return records.refuse(event, manifest);
    }

    private void complete(
            Traced<TextEvent> event, Answer answer, Throwable error, ResultFuture<Outcome<T>> out) {
        try {
            Throwable cause = error instanceof CompletionException ? error.getCause() : error;
            if (cause instanceof InferenceException failure) {
                Throwable deepest = failure.getCause() == null ? failure : failure.getCause();
                fail(event, failure.stage(), failure.getMessage(), deepest, out);
            } else if (cause instanceof TimeoutException) {
                fail(event, Stage.TIMEOUT, late(event.value().getDeadline()), null, out);
            } else if (cause != null) {
                // Not the text's fault but the engine's: the job fails and is restored.
                out.completeExceptionally(cause);
            } else {
                T record = records.record(event, answer);
                metrics.result(answer.prediction().truncated());
                emit(event, new Outcome.Success<>(new Traced<>(record, event.origin())), out);
            }
        } catch (Throwable e) {
            // An Error too: an event that nobody completes holds the subtask up for ever.
            out.completeExceptionally(e);
        }
    }

    private static String late(Instant deadline) {
        return "No answer before the event's deadline (" + deadline + ").";
    }

    private void fail(
            Traced<TextEvent> event,
            Stage stage,
            String reason,
            Throwable cause,
            ResultFuture<Outcome<T>> out) {
        Traced<DeadLetter> letter =
                DeadLetters.of(
                        event.origin(),
                        event.value().getId(),
                        records.task().id(),
                        DeadLetters.nameOf(stage),
                        reason,
                        valueOf(event),
                        cause);
        emit(event, new Outcome.Failure<>(letter), out);
    }

    private void emit(Traced<TextEvent> event, Outcome<T> outcome, ResultFuture<Outcome<T>> out) {
        if (keyOrder == null) {
            out.complete(List.of(outcome));
        } else {
            keyOrder.leave(event, () -> out.complete(List.of(outcome)));
        }
    }

    /**
     * The value as it came; for an event that did not come from Kafka, the value as it would have.
     */
    private byte[] valueOf(Traced<TextEvent> event) {
        if (event.origin().topic() != null) {
            return event.origin().value();
        }
        try {
            return codec.encode(event.value());
        } catch (AvroRuntimeException | NullPointerException | ArithmeticException e) {
            // Without a text or an id, or with a time beyond Avro's, an event has no Avro form.
            return null;
        }
    }

    @Override
    public void close() {
        if (inFlight != null) {
            List<CompletableFuture<Answer>> open = List.copyOf(inFlight.values());
            inFlight.clear();
            open.forEach(future -> future.cancel(false));
        }
        if (model != null) {
            model.close();
            model = null;
        }
    }

    @Override
    public TypeInformation<Outcome<T>> getProducedType() {
        return RecordTypeInfo.outcome(records.recordClass());
    }
}
