package io.streamformer.local.demo;

import io.streamformer.bundle.Task;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;

/**
 * An event that has its outcome of every task.
 *
 * @param number number of the line, from 1
 * @param bytes the line as it was; null where it was too long to be sent
 * @param replies outcome by task; a dead letter for all tasks is under each of them
 * @param millis from the event's timestamp until its last outcome was read back
 */
@SuppressWarnings("ArrayRecordComponent") // written out once, never compared as a record
record AnsweredEvent(long number, byte[] bytes, Map<Task, Reply> replies, long millis) {

    /** The text; what is no UTF-8 shows as U+FFFD. */
    String text() {
        return bytes == null ? null : new String(bytes, StandardCharsets.UTF_8);
    }

    /** The letters of the tasks that failed, once each. */
    List<Reply.Dead> deadLetters() {
        return replies.values().stream()
                .filter(Reply.Dead.class::isInstance)
                .map(Reply.Dead.class::cast)
                .distinct()
                .toList();
    }
}
