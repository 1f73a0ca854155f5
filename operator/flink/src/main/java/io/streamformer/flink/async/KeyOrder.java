package io.streamformer.flink.async;

import io.streamformer.flink.Traced;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.Map;

/**
 * The order of events whose Kafka records have a key in common: an outcome leaves once the outcomes
 * of all earlier events of its key have left. Events without a key are in nobody's way.
 * Thread-safe: events enter on the task's thread and leave on the model's.
 */
final class KeyOrder {

    private static final class Place {
        private final Object event;
        private Runnable emit;

        private Place(Object event) {
            this.event = event;
        }
    }

    private final Map<ByteBuffer, ArrayDeque<Place>> lines = new HashMap<>();
    private final IdentityHashMap<Object, Place> places = new IdentityHashMap<>();

    /** Puts an event behind the earlier ones of its key. */
    synchronized void enter(Traced<?> event) {
        byte[] key = event.origin().key();
        if (key == null) {
            return;
        }
        Place place = new Place(event);
        places.put(event, place);
        lines.computeIfAbsent(ByteBuffer.wrap(key), unused -> new ArrayDeque<>(2)).addLast(place);
    }

    /**
     * Lets an event leave when its turn comes: at once, or as soon as the ones before it have left.
     *
     * @param emit hands its outcome on; short, since others wait
     */
    synchronized void leave(Traced<?> event, Runnable emit) {
        Place place = places.get(event);
        if (place == null) {
            emit.run();
            return;
        }
        place.emit = emit;
        ByteBuffer key = ByteBuffer.wrap(event.origin().key());
        ArrayDeque<Place> line = lines.get(key);
        while (!line.isEmpty() && line.peekFirst().emit != null) {
            Place first = line.pollFirst();
            places.remove(first.event);
            first.emit.run();
        }
        if (line.isEmpty()) {
            lines.remove(key);
        }
    }
}
