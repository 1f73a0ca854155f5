package io.streamformer.flink;

import io.streamformer.schemas.DeadLetter;
import org.apache.flink.annotation.Public;

/**
 * What became of one record: a result or a dead letter, never both and never neither.
 *
 * @param <T> the record of a success
 */
@Public
public sealed interface Outcome<T> {

    /** The record went well. */
    record Success<T>(Traced<T> result) implements Outcome<T> {}

    /** The record failed; the dead letter says where and why. */
    record Failure<T>(Traced<DeadLetter> deadLetter) implements Outcome<T> {}
}
