package io.streamformer.flink.async;

import io.streamformer.flink.Order;
import io.streamformer.flink.Outcome;
import io.streamformer.flink.Traced;
import io.streamformer.schemas.TextEvent;
import org.apache.avro.specific.SpecificRecordBase;
import org.apache.flink.annotation.Internal;
import org.apache.flink.api.common.operators.MailboxExecutor;
import org.apache.flink.streaming.api.datastream.AsyncDataStream.OutputMode;
import org.apache.flink.streaming.api.operators.StreamOperator;
import org.apache.flink.streaming.api.operators.StreamOperatorParameters;
import org.apache.flink.streaming.api.operators.async.AsyncWaitOperator;
import org.apache.flink.streaming.api.operators.async.AsyncWaitOperatorFactory;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.util.retryable.AsyncRetryStrategies;

/**
 * Makes Flink's async operator with a capacity that the TaskManager knows and the client does not,
 * and with a bound to the bytes under way.
 */
@Internal
public class AsyncStepFactory<T extends SpecificRecordBase>
        extends AsyncWaitOperatorFactory<Traced<TextEvent>, Outcome<T>> {

    private static final long serialVersionUID = 1L;

    /**
     * Flink's timeout counts from an event's entry, so that a backlog at a slow model would turn
     * into dead letters. The model counts instead, from the start of the event's run.
     */
    private static final long NO_TIMEOUT = 0;

    private final InferenceAsyncFunction<T> function;
    private final OutputMode mode;

    AsyncStepFactory(InferenceAsyncFunction<T> function, OutputMode mode) {
        super(function, NO_TIMEOUT, 1, mode);
        this.function = function;
        this.mode = mode;
    }

    /** The factory for the order that the function's options ask for. */
    public static <T extends SpecificRecordBase> AsyncStepFactory<T> of(
            InferenceAsyncFunction<T> function) {
        Order order = function.order();
        return switch (order) {
            case ALL -> new AsyncStepFactory<>(function, OutputMode.ORDERED);
            case NONE -> new AsyncStepFactory<>(function, OutputMode.UNORDERED);
            case KEY -> new KeyOrderedFactory<>(function);
        };
    }

    @Override
    @SuppressWarnings({"unchecked", "TypeParameterUnusedInFormals"}) // as in the class above
    public <O extends StreamOperator<Outcome<T>>> O createStreamOperator(
            StreamOperatorParameters<Outcome<T>> parameters) {
        return (O) new Operator<>(this, parameters);
    }

    @Override
    @SuppressWarnings("rawtypes") // as in the class above
    public Class<? extends StreamOperator> getStreamOperatorClass(ClassLoader classLoader) {
        return Operator.class;
    }

    /** Flink's operator; it also waits while too many bytes are under way. */
    static class Operator<T extends SpecificRecordBase>
            extends AsyncWaitOperator<Traced<TextEvent>, Outcome<T>> {

        private static final long serialVersionUID = 1L;

        private final transient InferenceAsyncFunction<T> function;
        private final transient MailboxExecutor mailbox;

        @SuppressWarnings("unchecked") // Flink's constant has no type parameter
        Operator(AsyncStepFactory<T> factory, StreamOperatorParameters<Outcome<T>> parameters) {
            super(
                    parameters,
                    factory.function,
                    NO_TIMEOUT,
                    factory.function.capacity(),
                    factory.mode,
                    AsyncRetryStrategies.NO_RETRY_STRATEGY,
                    factory.processingTimeService,
                    factory.getMailboxExecutor());
            function = factory.function;
            mailbox = factory.getMailboxExecutor();
        }

        /**
         * Waits as the class above does for a free place: the mailbox goes on with results, timers
         * and cancellation meanwhile. Each answer gives its bytes back before its mail, so that the
         * wait ends with the next one.
         */
        @Override
        public void processElement(StreamRecord<Traced<TextEvent>> event) throws Exception {
            while (function.holdsTooManyBytes()) {
                mailbox.yield();
            }
            super.processElement(event);
        }
    }
}
