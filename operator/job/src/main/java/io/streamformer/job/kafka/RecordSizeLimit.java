package io.streamformer.job.kafka;

import io.streamformer.flink.DeadLetters;
import io.streamformer.flink.Origin;
import io.streamformer.flink.Outcome;
import io.streamformer.flink.Traced;
import io.streamformer.schemas.DeadLetter;
import io.streamformer.schemas.RecordCodec;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.apache.avro.specific.SpecificRecordBase;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.streaming.api.functions.ProcessFunction;
import org.apache.flink.util.Collector;

/**
 * The limit that keeps a record which Kafka would refuse from failing the job: a result that is too
 * large becomes a dead letter, a dead letter that is too large leaves out what makes it so.
 */
public final class RecordSizeLimit<T extends SpecificRecordBase>
        extends ProcessFunction<Traced<T>, Outcome<T>> {

    private static final long serialVersionUID = 1L;

    /** What Kafka writes around key, value and headers of a record, at most. */
    private static final long FRAME = 100;

    private static final int MAX_ID = 1_000;

    private final Class<T> recordClass;
    private final long maxBytes;
    private final String task;

    private transient RecordCodec<T> codec;

    public RecordSizeLimit(Class<T> recordClass, String task, long maxBytes) {
        this.recordClass = recordClass;
        this.task = task;
        this.maxBytes = maxBytes;
    }

    @Override
    public void open(OpenContext context) {
        codec = RecordCodec.of(recordClass);
    }

    @Override
    public void processElement(Traced<T> result, Context context, Collector<Outcome<T>> out) {
        long size = size(codec.size(result.value()), result.origin());
        if (size <= maxBytes) {
            out.collect(new Outcome.Success<>(result));
            return;
        }
        String reason =
                "a record has at most "
                        + maxBytes
                        + " bytes ("
                        + KafkaOptions.MAX_RECORD_BYTES.key()
                        + "), seen a "
                        + recordClass.getSimpleName()
                        + " of "
                        + size;
        out.collect(
                new Outcome.Failure<>(
                        DeadLetters.of(
                                result.origin(),
                                (String) result.value().get("id"),
                                task,
                                DeadLetters.SERIALIZE,
                                reason,
                                result.origin().value(),
                                null)));
    }

    /** The dead letter itself where it is small enough; otherwise without its bulk. */
    public static Traced<DeadLetter> fit(Traced<DeadLetter> letter, long maxBytes) {
        RecordCodec<DeadLetter> codec = RecordCodec.of(DeadLetter.class);
        long size = size(codec.size(letter.value()), letter.origin());
        if (size <= maxBytes) {
            return letter;
        }
        DeadLetter smaller =
                DeadLetter.newBuilder(letter.value())
                        .setValue(null)
                        .setReason(
                                letter.value().getReason()
                                        + "; with its value this dead letter has "
                                        + size
                                        + " bytes, more than "
                                        + KafkaOptions.MAX_RECORD_BYTES.key()
                                        + " allows: find the value in "
                                        + letter.origin())
                        .build();
        Traced<DeadLetter> withoutValue = new Traced<>(smaller, letter.origin());
        if (size(codec.size(smaller), letter.origin()) <= maxBytes) {
            return withoutValue;
        }
        smaller.setId(DeadLetters.cut(smaller.getId(), MAX_ID));
        List<Origin.Header> all = letter.origin().headers();
        List<Origin.Header> ours =
                all.subList(Math.max(0, all.size() - DeadLetters.MAX_HEADERS), all.size()).stream()
                        .filter(header -> header.name().startsWith(DeadLetters.HEADER_PREFIX))
                        .toList();
        return new Traced<>(smaller, letter.origin().withKeyAndHeaders(null, ours));
    }

    private static long size(long value, Origin origin) {
        long size = FRAME + value + length(origin.key());
        for (Origin.Header header : origin.headers()) {
            size += header.name().getBytes(StandardCharsets.UTF_8).length;
            size += length(header.value()) + 10;
        }
        return size;
    }

    private static int length(byte[] bytes) {
        return bytes == null ? 0 : bytes.length;
    }
}
