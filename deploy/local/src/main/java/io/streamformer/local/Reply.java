package io.streamformer.local;

import io.streamformer.schemas.Classification;
import io.streamformer.schemas.DeadLetter;
import io.streamformer.schemas.Translation;

/** What came back from Kafka for one event. */
sealed interface Reply {

    /** The task that answered or failed; null where the event failed before any task saw it. */
    DemoTask task();

    /** A classifier's answer. */
    record Classified(Classification answer) implements Reply {
        @Override
        public DemoTask task() {
            return DemoTask.SENTIMENT;
        }
    }

    /** A translation model's answer. */
    record Translated(Translation answer) implements Reply {
        @Override
        public DemoTask task() {
            return DemoTask.TRANSLATION;
        }
    }

    /** No answer. */
    record Dead(DeadLetter letter) implements Reply {
        @Override
        public DemoTask task() {
            return letter.getTask() == null ? null : DemoTask.ofManifest(letter.getTask());
        }
    }
}
