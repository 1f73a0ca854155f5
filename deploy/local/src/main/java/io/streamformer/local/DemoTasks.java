package io.streamformer.local;

import io.streamformer.bundle.Task;
import io.streamformer.flink.task.TaskRecords;
import java.util.Arrays;
import java.util.Map;
import java.util.stream.Collectors;
import org.apache.avro.specific.SpecificRecordBase;

/** Tasks as the demo's user names and sees them; all of it comes from {@link TaskRecords}. */
public final class DemoTasks {

    /** Folders of the bundles that come with Streamformer. */
    private static final Map<Task, String> BUNDLES =
            Map.of(
                    Task.TEXT_CLASSIFICATION, "sentiment-en",
                    Task.TRANSLATION, "translation-en-fr");

    private DemoTasks() {}

    /** The name on the command line and in the output. */
    public static String label(Task task) {
        return TaskRecords.of(task).label();
    }

    /** The record of a task's answers. */
    public static Class<? extends SpecificRecordBase> recordClass(Task task) {
        return TaskRecords.of(task).recordClass();
    }

    /** Folder of the bundle that comes with Streamformer; null where none does. */
    static String defaultBundle(Task task) {
        return BUNDLES.get(task);
    }

    /** An answer in a few words. */
    public static String words(Task task, SpecificRecordBase answer) {
        return words(TaskRecords.of(task), answer);
    }

    private static <T extends SpecificRecordBase> String words(
            TaskRecords<T> records, SpecificRecordBase answer) {
        return records.words(records.recordClass().cast(answer));
    }

    /** An answer as maps, lists, texts and numbers. */
    public static Object values(Task task, SpecificRecordBase answer) {
        return values(TaskRecords.of(task), answer);
    }

    private static <T extends SpecificRecordBase> Object values(
            TaskRecords<T> records, SpecificRecordBase answer) {
        return records.values(records.recordClass().cast(answer));
    }

    /** The task of this name in a manifest. */
    public static Task ofManifest(String id) {
        return Arrays.stream(Task.values())
                .filter(task -> task.id().equals(id))
                .findFirst()
                .orElseThrow(() -> new IllegalStateException("No task is called " + id + "."));
    }

    /** The task of this name on the command line. */
    static Task parse(String label) {
        return Arrays.stream(Task.values())
                .filter(task -> label(task).equals(label))
                .findFirst()
                .orElseThrow(
                        () ->
                                new UsageException(
                                        "--tasks is '"
                                                + label
                                                + "'. Give "
                                                + names()
                                                + ", several with commas"));
    }

    private static String names() {
        return Arrays.stream(Task.values()).map(DemoTasks::label).collect(Collectors.joining(", "));
    }
}
