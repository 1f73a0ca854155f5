package io.streamformer.job.kafka;

import io.streamformer.flink.DeadLetters;
import io.streamformer.flink.Origin;
import io.streamformer.flink.Traced;
import io.streamformer.flink.state.RecordTypeInfo;
import io.streamformer.options.Options;
import io.streamformer.schemas.DeadLetter;
import io.streamformer.schemas.RecordCodec;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.apache.flink.annotation.Internal;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.functions.RichMapFunction;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.java.typeutils.ResultTypeQueryable;

/**
 * Changes dead letters so that their topic takes them: there is nowhere else for them to go. One
 * that is too large loses its value, then the headers that do not fit.
 */
@Internal
public final class DeadLetterLimits extends RichMapFunction<Traced<DeadLetter>, Traced<DeadLetter>>
        implements ResultTypeQueryable<Traced<DeadLetter>> {

    private static final long serialVersionUID = 1L;

    private static final int MAX_ID = 1_000;

    private final Options options;

    private transient RecordCodec<DeadLetter> codec;
    private transient TopicLimits limits;

    public DeadLetterLimits(Options options) {
        this.options = options;
    }

    @Override
    public void open(OpenContext context) {
        open(TopicLimits.ask(options, options.get(KafkaOptions.DEAD_LETTER_TOPIC)));
    }

    void open(TopicLimits known) {
        codec = RecordCodec.of(DeadLetter.class);
        limits = known;
    }

    @Override
    public Traced<DeadLetter> map(Traced<DeadLetter> letter) {
        return fit(letter, System.currentTimeMillis());
    }

    /** The dead letter itself where its topic takes it. */
    Traced<DeadLetter> fit(Traced<DeadLetter> letter, long now) {
        Traced<DeadLetter> fitted = letter;
        Origin origin = letter.origin();
        if (limits.needsKey() && origin.key() == null) {
            byte[] place = origin.toString().getBytes(StandardCharsets.UTF_8);
            fitted =
                    new Traced<>(fitted.value(), origin.withKeyAndHeaders(place, origin.headers()));
        }
        if (!limits.takesTime(origin.timestamp(), now)) {
            fitted = new Traced<>(fitted.value(), fitted.origin().withTimestamp(now));
        }
        long size = size(fitted);
        return size <= limits.maxBytes() ? fitted : withoutBulk(fitted, size);
    }

    private Traced<DeadLetter> withoutBulk(Traced<DeadLetter> letter, long size) {
        DeadLetter smaller =
                DeadLetter.newBuilder(letter.value())
                        .setValue(null)
                        .setReason(
                                letter.value().getReason()
                                        + " This dead letter had "
                                        + size
                                        + " bytes, and its topic takes at most "
                                        + limits.maxBytes()
                                        + ". Its value was left out: find it in "
                                        + letter.origin()
                                        + ".")
                        .build();
        Traced<DeadLetter> withoutValue = new Traced<>(smaller, letter.origin());
        if (size(withoutValue) <= limits.maxBytes()) {
            return withoutValue;
        }
        smaller.setId(DeadLetters.cut(smaller.getId(), MAX_ID));
        Origin bare = letter.origin().withKeyAndHeaders(letter.origin().key(), List.of());
        if (size(new Traced<>(smaller, bare)) > limits.maxBytes()) {
            // A key that no topic of this size takes.
            bare = bare.withKeyAndHeaders(null, List.of());
        }
        return new Traced<>(
                smaller, bare.withKeyAndHeaders(bare.key(), fitting(letter, bare, smaller)));
    }

    /** As many headers as fit, in their order: ours first, which say what went wrong. */
    private List<Origin.Header> fitting(
            Traced<DeadLetter> letter, Origin bare, DeadLetter smaller) {
        long room = limits.maxBytes() - size(new Traced<>(smaller, bare));
        List<Origin.Header> all = letter.origin().headers();
        boolean[] kept = new boolean[all.size()];
        for (boolean ours : new boolean[] {true, false}) {
            for (int i = 0; i < kept.length; i++) {
                long bytes = TopicLimits.bytes(all.get(i));
                boolean isOurs = all.get(i).name().startsWith(DeadLetters.HEADER_PREFIX);
                if (isOurs == ours && bytes <= room) {
                    kept[i] = true;
                    room -= bytes;
                }
            }
        }
        List<Origin.Header> headers = new ArrayList<>();
        for (int i = 0; i < kept.length; i++) {
            if (kept[i]) {
                headers.add(all.get(i));
            }
        }
        return headers;
    }

    private long size(Traced<DeadLetter> letter) {
        return TopicLimits.size(codec.size(letter.value()), letter.origin());
    }

    @Override
    public TypeInformation<Traced<DeadLetter>> getProducedType() {
        return RecordTypeInfo.traced(DeadLetter.class);
    }
}
