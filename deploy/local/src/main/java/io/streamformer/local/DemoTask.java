package io.streamformer.local;

import io.streamformer.bundle.Task;
import io.streamformer.flink.task.TaskRecords;
import io.streamformer.schemas.Answer;
import io.streamformer.schemas.Classification;
import io.streamformer.schemas.Embedding;
import io.streamformer.schemas.Entities;
import io.streamformer.schemas.GeneratedText;
import io.streamformer.schemas.Translation;
import java.util.Arrays;
import java.util.stream.Collectors;
import org.apache.avro.specific.SpecificRecordBase;

/** A task of the demo, under the user's name and the manifest's. */
public enum DemoTask {
    SENTIMENT("sentiment", Task.TEXT_CLASSIFICATION, Classification.class, "sentiment-en"),
    ENTITIES("entities", Task.TOKEN_CLASSIFICATION, Entities.class, null),
    ANSWER("answer", Task.QUESTION_ANSWERING, Answer.class, null),
    EMBEDDING("embedding", Task.FEATURE_EXTRACTION, Embedding.class, null),
    TRANSLATION("translation", Task.TRANSLATION, Translation.class, "translation-en-fr"),
    SUMMARY("summary", Task.SUMMARIZATION, GeneratedText.class, null),
    GENERATION("generation", Task.TEXT2TEXT_GENERATION, GeneratedText.class, null),
    CONTINUATION("continuation", Task.TEXT_GENERATION, GeneratedText.class, null);

    private final String label;
    private final Task task;
    private final Class<? extends SpecificRecordBase> recordClass;
    private final String defaultBundle;

    DemoTask(
            String label,
            Task task,
            Class<? extends SpecificRecordBase> recordClass,
            String defaultBundle) {
        this.label = label;
        this.task = task;
        this.recordClass = recordClass;
        this.defaultBundle = defaultBundle;
    }

    /** The name on the command line and in the output. */
    public String label() {
        return label;
    }

    /** The topic of its answers, without a prefix. */
    String topic() {
        return TaskRecords.of(task).defaultTopic();
    }

    /** The record of its answers. */
    public Class<? extends SpecificRecordBase> recordClass() {
        return recordClass;
    }

    /** Folder of the bundle that comes with Streamformer; null where none does. */
    String defaultBundle() {
        return defaultBundle;
    }

    /** The task of a bundle. */
    public static DemoTask of(Task task) {
        return Arrays.stream(values())
                .filter(known -> known.task == task)
                .findFirst()
                .orElseThrow(() -> new IllegalStateException(task + " is not shown: a bug"));
    }

    /** The task of this name in a manifest. */
    public static DemoTask ofManifest(String id) {
        return Arrays.stream(values())
                .filter(known -> known.task.id().equals(id))
                .findFirst()
                .orElseThrow(() -> new IllegalStateException(id + " is not shown: a bug"));
    }

    /** The task of this name on the command line. */
    static DemoTask parse(String label) {
        return Arrays.stream(values())
                .filter(task -> task.label.equals(label))
                .findFirst()
                .orElseThrow(
                        () ->
                                new UsageException(
                                        "--tasks takes "
                                                + names()
                                                + ", several with commas, seen '"
                                                + label
                                                + "'"));
    }

    private static String names() {
        return Arrays.stream(values()).map(DemoTask::label).collect(Collectors.joining(", "));
    }
}
