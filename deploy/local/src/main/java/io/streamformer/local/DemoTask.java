package io.streamformer.local;

import java.util.Arrays;
import java.util.stream.Collectors;

/** A task of the demo, under the user's name and the manifest's. */
enum DemoTask {
    SENTIMENT("sentiment", "text-classification", "sentiment-en"),
    TRANSLATION("translation", "translation", "translation-en-fr");

    private final String label;
    private final String manifestTask;
    private final String defaultBundle;

    DemoTask(String label, String manifestTask, String defaultBundle) {
        this.label = label;
        this.manifestTask = manifestTask;
        this.defaultBundle = defaultBundle;
    }

    /** The name on the command line and in the output. */
    String label() {
        return label;
    }

    /** The name in a bundle's manifest. */
    String manifestTask() {
        return manifestTask;
    }

    /** Folder of the bundle that comes with Streamformer. */
    String defaultBundle() {
        return defaultBundle;
    }

    /** The task of this manifest name, or null. */
    static DemoTask ofManifest(String manifestTask) {
        return Arrays.stream(values())
                .filter(task -> task.manifestTask.equals(manifestTask))
                .findFirst()
                .orElse(null);
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
                                                + " or both with a comma, seen '"
                                                + label
                                                + "'"));
    }

    private static String names() {
        return Arrays.stream(values()).map(DemoTask::label).collect(Collectors.joining(" or "));
    }
}
