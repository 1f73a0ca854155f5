package io.streamformer.local.demo;

import io.streamformer.local.DemoTask;
import io.streamformer.schemas.DeadLetter;
import org.apache.avro.specific.SpecificRecordBase;

/** What came back from Kafka for one event. */
sealed interface Reply {

    /** The task that answered or failed; null where the event failed before any task saw it. */
    DemoTask task();

    /**
     * An answer.
     *
     * @param answer the record of the task
     */
    record Answered(DemoTask task, SpecificRecordBase answer) implements Reply {}

    /** No answer. */
    record Dead(DeadLetter letter) implements Reply {
        @Override
        public DemoTask task() {
            return letter.getTask() == null ? null : DemoTask.ofManifest(letter.getTask());
        }
    }
}
