package io.streamformer.flink;

import java.util.Objects;
import org.apache.flink.annotation.Public;

/**
 * A record with the Kafka record that it goes back to, so that key, timestamp and headers reach the
 * output topic.
 *
 * @param <T> a record of the topics: {@code TextEvent}, {@code DeadLetter} or the record of a task
 */
@Public
public record Traced<T>(T value, Origin origin) {
    public Traced {
        Objects.requireNonNull(value, "value");
        Objects.requireNonNull(origin, "origin");
    }
}
