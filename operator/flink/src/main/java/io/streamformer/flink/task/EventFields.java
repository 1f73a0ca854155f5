package io.streamformer.flink.task;

import io.streamformer.bundle.Task;
import io.streamformer.engine.Answer.ServedModel;
import io.streamformer.flink.Traced;
import io.streamformer.schemas.ModelReference;
import io.streamformer.schemas.TextEvent;
import java.time.Instant;
import java.util.Map;
import java.util.Optional;

/** The parts of a record that every task takes from the event or from the model. */
final class EventFields {

    private EventFields() {}

    /** The event's own time; the time of its Kafka record if the producer gave none. */
    static Instant timeOf(Traced<TextEvent> event) {
        Instant own = event.value().getTimestamp();
        if (own != null && !own.equals(Instant.EPOCH)) {
            return own;
        }
        return Instant.ofEpochMilli(Math.max(0, event.origin().timestamp()));
    }

    /** The event's attributes; none where it was built without. */
    static Map<String, String> attributesOf(Traced<TextEvent> event) {
        Map<String, String> attributes = event.value().getAttributes();
        return attributes == null ? Map.of() : attributes;
    }

    /** Most models read one text; an event that has two was meant for another. */
    static Optional<String> refusePair(TextEvent event, Task task) {
        return event.getTextPair() == null
                ? Optional.empty()
                : Optional.of(
                        "The event has a text_pair, which the task " + task + " does not read.");
    }

    /** What a record says about the model that answered. */
    static ModelReference reference(ServedModel by) {
        return new ModelReference(
                by.manifest().name(), by.manifest().version(), by.variant(), by.bundleHash());
    }
}
