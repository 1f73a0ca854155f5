package io.streamformer.local.demo;

import io.streamformer.bundle.Task;
import io.streamformer.local.DemoTasks;
import io.streamformer.schemas.DeadLetter;
import org.apache.avro.specific.SpecificRecordBase;

/** What came back from Kafka for one event. */
sealed interface Reply {

    /** The task that answered or failed; null where the event failed before any task saw it. */
    Task task();

    /**
     * An answer.
     *
     * @param answer the record of the task
     */
    record Answered(Task task, SpecificRecordBase answer) implements Reply {}

    /** No answer. */
    record Dead(DeadLetter letter) implements Reply {
        @Override
        public Task task() {
            return letter.getTask() == null ? null : DemoTasks.ofManifest(letter.getTask());
        }
    }
}
