package io.streamformer.local.demo;

import io.streamformer.bundle.Task;
import io.streamformer.schemas.Classification;
import io.streamformer.schemas.DeadLetter;
import io.streamformer.schemas.ModelReference;
import io.streamformer.schemas.Translation;
import java.util.List;

/** Outcomes made by hand. */
final class Replies {

    private Replies() {}

    static Reply sentiment(String label, float score) {
        return new Reply.Answered(
                Task.TEXT_CLASSIFICATION,
                Classification.newBuilder()
                        .setId("1")
                        .setLabel(label)
                        .setScore(score)
                        .setModel(new ModelReference("s", "1.0", "int8", "aa"))
                        .build());
    }

    static Reply translation(String text, boolean truncated) {
        return new Reply.Answered(
                Task.TRANSLATION,
                Translation.newBuilder()
                        .setId("1")
                        .setText(text)
                        .setLanguage("fr")
                        .setScore(-0.5f)
                        .setTruncated(truncated)
                        .setAlternatives(List.of())
                        .setAlignments(List.of())
                        .setModel(new ModelReference("t", "2.0", "int8", "bb"))
                        .build());
    }

    private static String idOf(Task task) {
        return task == Task.TEXT_CLASSIFICATION ? "text-classification" : "translation";
    }

    static Reply dead(Task task, String stage, String reason) {
        return new Reply.Dead(
                DeadLetter.newBuilder()
                        .setTask(task == null ? null : idOf(task))
                        .setStage(stage)
                        .setReason(reason)
                        .build());
    }
}
