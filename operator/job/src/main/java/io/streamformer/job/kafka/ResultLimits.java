package io.streamformer.job.kafka;

import io.streamformer.flink.DeadLetters;
import io.streamformer.flink.Origin;
import io.streamformer.flink.Outcome;
import io.streamformer.flink.Traced;
import io.streamformer.options.Options;
import io.streamformer.schemas.RecordCodec;
import java.util.Optional;
import org.apache.avro.specific.SpecificRecordBase;
import org.apache.flink.annotation.Internal;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.streaming.api.functions.ProcessFunction;
import org.apache.flink.util.Collector;

/** Makes a dead letter of each result that its topic would refuse. */
@Internal
public final class ResultLimits<T extends SpecificRecordBase>
        extends ProcessFunction<Traced<T>, Outcome<T>> {

    private static final long serialVersionUID = 1L;

    private final Class<T> recordClass;
    private final String task;
    private final String topic;
    private final Options options;

    private transient RecordCodec<T> codec;
    private transient TopicLimits limits;

    public ResultLimits(Class<T> recordClass, String task, String topic, Options options) {
        this.recordClass = recordClass;
        this.task = task;
        this.topic = topic;
        this.options = options;
    }

    /** Asks at each start, so that a topic that was changed costs one restart and no more. */
    @Override
    public void open(OpenContext context) {
        open(TopicLimits.ask(options, topic));
    }

    void open(TopicLimits known) {
        codec = RecordCodec.of(recordClass);
        limits = known;
    }

    @Override
    public void processElement(Traced<T> result, Context context, Collector<Outcome<T>> out) {
        out.collect(check(result, System.currentTimeMillis()));
    }

    Outcome<T> check(Traced<T> result, long now) {
        Origin origin = result.origin();
        Optional<String> refusal =
                limits.refusal(
                        topic,
                        TopicLimits.size(codec.size(result.value()), origin),
                        origin.key(),
                        options.get(KafkaOptions.SINK_TIMESTAMP) == SinkTimestamp.NOW
                                ? now
                                : origin.timestamp(),
                        now);
        return refusal.isEmpty()
                ? new Outcome.Success<>(result)
                : new Outcome.Failure<>(
                        DeadLetters.of(
                                origin,
                                (String) result.value().get("id"),
                                task,
                                DeadLetters.SERIALIZE,
                                refusal.get(),
                                origin.value(),
                                null));
    }
}
