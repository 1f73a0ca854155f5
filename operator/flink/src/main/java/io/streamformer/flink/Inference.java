package io.streamformer.flink;

import io.streamformer.flink.state.RecordTypeInfo;
import io.streamformer.schemas.DeadLetter;
import io.streamformer.schemas.TextEvent;
import org.apache.avro.specific.SpecificRecordBase;
import org.apache.flink.formats.avro.typeutils.AvroTypeInfo;
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
public final class Inference<T extends SpecificRecordBase> {

    private static final OutputTag<Traced<DeadLetter>> DEAD_LETTERS =
            new OutputTag<>("dead-letters", RecordTypeInfo.traced(DeadLetter.class));

    private final Class<T> recordClass;
    private final SingleOutputStreamOperator<Traced<T>> results;
    private final String uid;

    private Inference(
            Class<T> recordClass, SingleOutputStreamOperator<Traced<T>> results, String uid) {
        this.recordClass = recordClass;
        this.results = results;
        this.uid = uid;
    }

    /** Splits outcomes, such as a source gives. */
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

    /** The results; ask once and keep the stream, for its operator has a fixed id. */
    public DataStream<T> results() {
        return values(results, recordClass, uid + "-results");
    }

    /** What has no result, and why; ask once and keep the stream. */
    public DataStream<DeadLetter> deadLetters() {
        return values(tracedDeadLetters(), DeadLetter.class, uid + "-dead-letters");
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

        @Override
        public void processElement(Outcome<T> outcome, Context context, Collector<Traced<T>> out) {
            if (outcome instanceof Outcome.Success<T> success) {
                out.collect(success.result());
            } else {
                context.output(DEAD_LETTERS, ((Outcome.Failure<T>) outcome).deadLetter());
            }
        }
    }
}
