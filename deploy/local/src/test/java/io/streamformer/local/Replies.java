package io.streamformer.local;

import io.streamformer.schemas.Classification;
import io.streamformer.schemas.DeadLetter;
import io.streamformer.schemas.ModelReference;
import io.streamformer.schemas.Translation;

/** Outcomes made by hand. */
final class Replies {

    private Replies() {}

    static Reply sentiment(String label, float score) {
        return new Reply.Classified(
                Classification.newBuilder()
                        .setId("1")
                        .setLabel(label)
                        .setScore(score)
                        .setModel(new ModelReference("s", "1.0", "int8", "aa"))
                        .build());
    }

    static Reply translation(String text, boolean truncated) {
        return new Reply.Translated(
                Translation.newBuilder()
                        .setId("1")
                        .setText(text)
                        .setLanguage("fr")
                        .setScore(-0.5f)
                        .setTruncated(truncated)
                        .setModel(new ModelReference("t", "2.0", "int8", "bb"))
                        .build());
    }

    static Reply dead(DemoTask task, String stage, String reason) {
        return new Reply.Dead(
                DeadLetter.newBuilder()
                        .setTask(task == null ? null : task.manifestTask())
                        .setStage(stage)
                        .setReason(reason)
                        .build());
    }
}
