package io.streamformer.flink;

import io.streamformer.flink.async.InferenceMetrics;
import io.streamformer.flink.state.RecordTypeInfo;
import io.streamformer.schemas.DeadLetter;
import io.streamformer.schemas.TextEvent;
import java.util.HashMap;
import java.util.Map;
import org.apache.avro.specific.SpecificRecordBase;
import org.apache.flink.annotation.Public;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.formats.avro.typeutils.AvroTypeInfo;
import org.apache.flink.metrics.Counter;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.SingleOutputStreamOperator;
import org.apache.flink.streaming.api.functions.ProcessFunction;
import org.apache.flink.util.Collector;
import org.apache.flink.util.OutputTag;

/**
 * The two streams that a stream of outcomes falls into: results, and dead letters for the rest.
 *
 * @param <T> the record of a result
 */
@Public
public final class Inference<T extends SpecificRecordBase> {

    private static final OutputTag<Traced<DeadLetter>> DEAD_LETTERS =
            new OutputTag<>("dead-letters", RecordTypeInfo.traced(DeadLetter.class));

    private final Class<T> recordClass;
    private final SingleOutputStreamOperator<Traced<T>> results;
    private final String uid;

    /** Made when they are first asked for: an operator's id may exist once. */
    private DataStream<T> values;

    private DataStream<DeadLetter> letters;

    private Inference(
            Class<T> recordClass, SingleOutputStreamOperator<Traced<T>> results, String uid) {
        this.recordClass = recordClass;
        this.results = results;
        this.uid = uid;
    }

    /** Splits outcomes, such as a source gives, and counts the dead letters among them. */
    public static <T extends SpecificRecordBase> Inference<T> split(
            DataStream<Outcome<T>> outcomes, Class<T> recordClass, String uid) {
        return new Inference<>(
                recordClass,
                outcomes.process(new Split<T>(), RecordTypeInfo.traced(recordClass))
                        .name(uid)
                        .uid(uid),
                uid);
    }

    /** Events that did not come from Kafka. */
    static DataStream<Traced<TextEvent>> traced(DataStream<TextEvent> events, String uid) {
        return events.map(
                        event -> new Traced<>(event, Origin.NONE),
                        RecordTypeInfo.traced(TextEvent.class))
                .name(uid)
                .uid(uid);
    }

    /** The results. */
    public DataStream<T> results() {
        if (values == null) {
            values = values(results, recordClass, uid + "-results");
        }
        return values;
    }

    /** What has no result, and why. */
    public DataStream<DeadLetter> deadLetters() {
        if (letters == null) {
            letters = values(tracedDeadLetters(), DeadLetter.class, uid + "-dead-letters");
        }
        return letters;
    }

    private static <R extends SpecificRecordBase> DataStream<R> values(
            DataStream<Traced<R>> traced, Class<R> recordClass, String uid) {
        return traced.map(Traced::value, new AvroTypeInfo<>(recordClass)).name(uid).uid(uid);
    }

    /** The results with the key, timestamp and headers of their events. */
    public DataStream<Traced<T>> tracedResults() {
        return results;
    }

    /** The dead letters with the key, timestamp and headers of their events. */
    public DataStream<Traced<DeadLetter>> tracedDeadLetters() {
        return results.getSideOutput(DEAD_LETTERS);
    }

    /** An async function has no side outputs: what it emits is told apart here. */
    private static final class Split<T> extends ProcessFunction<Outcome<T>, Traced<T>> {

        private static final long serialVersionUID = 1L;

        /** Dead letters of any step are counted here, by stage, and so under one name. */
        private transient Map<String, Counter> counters;

        @Override
        public void open(OpenContext context) {
            counters = new HashMap<>();
            // All at once, so that a dashboard has a zero where nothing failed yet.
            DeadLetters.STAGES.forEach(this::counter);
        }

        private Counter counter(String stage) {
            return counters.computeIfAbsent(
                    stage,
                    name ->
                            InferenceMetrics.deadLetters(
                                    getRuntimeContext().getMetricGroup(), name));
        }

        @Override
        public void processElement(Outcome<T> outcome, Context context, Collector<Traced<T>> out) {
            if (outcome instanceof Outcome.Success<T> success) {
                out.collect(success.result());
            } else {
                Traced<DeadLetter> letter = ((Outcome.Failure<T>) outcome).deadLetter();
                counter(letter.value().getStage()).inc();
                context.output(DEAD_LETTERS, letter);
            }
        }
    }
}
