package io.streamformer.flink;

import io.streamformer.engine.InferenceException;
import io.streamformer.schemas.DeadLetter;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;
import org.apache.flink.annotation.Internal;

/**
 * How dead letters are made: the record for programs, and beside the original headers the headers
 * of Kafka Connect (KIP-298) for tools that already read them.
 */
@Internal
public final class DeadLetters {

    public static final String HEADER_PREFIX = "__connect.errors.";

    /** Headers that a dead letter adds at most; they stand after those that came. */
    public static final int MAX_HEADERS = 7;

    /** The stages that this package adds to the core's. */
    public static final String DESERIALIZE = "deserialize";

    public static final String SERIALIZE = "serialize";

    /** Every stage, by its name in metrics and dead letters. */
    public static final List<String> STAGES =
            Stream.concat(
                            Stream.of(DESERIALIZE, SERIALIZE),
                            Arrays.stream(InferenceException.Stage.values())
                                    .map(DeadLetters::nameOf))
                    .toList();

    /** Enough for the rule and the value seen; a reason never repeats a whole text. */
    private static final int MAX_REASON = 1_000;

    private static final int MAX_STACK_TRACE = 4_000;

    private DeadLetters() {}

    /** The name of a stage of the core. */
    public static String nameOf(InferenceException.Stage stage) {
        return stage.name().toLowerCase(Locale.ROOT);
    }

    /**
     * A dead letter.
     *
     * @param id the event's id; null where it could not be read
     * @param task the task that failed; null where the record could not be read
     * @param value what came, byte for byte; null where nothing came
     * @param cause the exception; null where a rule was broken without one
     */
    public static Traced<DeadLetter> of(
            Origin origin,
            String id,
            String task,
            String stage,
            String reason,
            byte[] value,
            Throwable cause) {
        String shortReason = cut(reason, MAX_REASON);
        DeadLetter letter =
                DeadLetter.newBuilder()
                        .setId(id)
                        .setTask(task)
                        .setStage(stage)
                        .setReason(shortReason)
                        .setException(cause == null ? null : cause.getClass().getName())
                        .setTopic(origin.topic())
                        .setPartition(origin.partition())
                        .setOffset(origin.offset())
                        .setValue(value == null ? null : ByteBuffer.wrap(value))
                        .build();
        List<Origin.Header> headers = new ArrayList<>(origin.headers());
        headers.addAll(connectHeaders(origin, stage, shortReason, cause));
        Origin carried = origin.withoutValue().withKeyAndHeaders(origin.key(), headers);
        return new Traced<>(letter, carried);
    }

    private static List<Origin.Header> connectHeaders(
            Origin origin, String stage, String reason, Throwable cause) {
        List<Origin.Header> headers = new ArrayList<>();
        if (origin.topic() != null) {
            headers.add(header("topic", origin.topic()));
            headers.add(header("partition", String.valueOf(origin.partition())));
            headers.add(header("offset", String.valueOf(origin.offset())));
        }
        headers.add(header("stage", stage));
        headers.add(header("exception.message", reason));
        if (cause != null) {
            headers.add(header("exception.class.name", cause.getClass().getName()));
            headers.add(header("exception.stacktrace", stackTrace(cause)));
        }
        return headers;
    }

    private static Origin.Header header(String name, String value) {
        return new Origin.Header(HEADER_PREFIX + name, value.getBytes(StandardCharsets.UTF_8));
    }

    private static String stackTrace(Throwable cause) {
        StringWriter text = new StringWriter();
        cause.printStackTrace(new PrintWriter(text));
        return cut(text.toString(), MAX_STACK_TRACE);
    }

    /**
     * The text, cut to a number of characters where it is longer; never inside a surrogate pair.
     */
    public static String cut(String text, int length) {
        if (text == null || text.length() <= length) {
            return text;
        }
        int end = Character.isHighSurrogate(text.charAt(length - 1)) ? length - 1 : length;
        return text.substring(0, end) + "…";
    }
}
