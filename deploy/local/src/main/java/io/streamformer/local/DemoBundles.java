package io.streamformer.local;

import io.streamformer.bundle.Bundle;
import io.streamformer.bundle.Task;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** The bundle of each task that the demo runs. */
public record DemoBundles(Map<Task, Path> folders) {

    /** Folder of the project, as the launcher found it. */
    private static final String HOME = "streamformer.home";

    public DemoBundles {
        folders = Collections.unmodifiableMap(new EnumMap<>(folders));
    }

    /**
     * The given bundles, and for tasks without one those that come with Streamformer.
     *
     * @param wanted empty wants the tasks of the given bundles, and where a built-in bundle serves
     *     each of those also the tasks of all built-in ones
     */
    public static DemoBundles choose(Set<Task> wanted, List<Path> given) {
        Map<Task, Path> chosen = new EnumMap<>(Task.class);
        for (Path folder : given) {
            Task task = taskOf(folder);
            if (!wanted.isEmpty() && !wanted.contains(task)) {
                throw new UsageException(
                        folder
                                + " does "
                                + DemoTasks.label(task)
                                + ": add it to --tasks, or leave the bundle out");
            }
            Path other = chosen.put(task, folder);
            if (other != null) {
                throw new UsageException(
                        "One bundle per task: both "
                                + other
                                + " and "
                                + folder
                                + " do "
                                + DemoTasks.label(task));
            }
        }
        boolean familiar =
                chosen.keySet().stream().allMatch(task -> DemoTasks.defaultBundle(task) != null);
        for (Task task : Task.values()) {
            boolean besides = wanted.isEmpty() && familiar && DemoTasks.defaultBundle(task) != null;
            if (besides || wanted.contains(task)) {
                chosen.computeIfAbsent(task, DemoBundles::builtIn);
            }
        }
        return new DemoBundles(chosen);
    }

    private static Task taskOf(Path folder) {
        UserFiles.checkBundle("--bundle", folder);
        return Bundle.read(folder).manifest().task();
    }

    private static Path builtIn(Task task) {
        if (DemoTasks.defaultBundle(task) == null) {
            throw new UsageException(
                    "No bundle for "
                            + DemoTasks.label(task)
                            + " comes with Streamformer: give one with --bundle");
        }
        Path folder =
                Path.of(
                        System.getProperty(HOME, ""),
                        "model-export",
                        "bundles",
                        DemoTasks.defaultBundle(task));
        if (!Files.isRegularFile(folder.resolve("manifest.json"))) {
            throw new UsageException(
                    "The built-in bundle for "
                            + DemoTasks.label(task)
                            + " is not at "
                            + folder
                            + ": give one with --bundle, or leave the task out with --tasks");
        }
        return folder;
    }

    /** True where a line is a question and its context. */
    public boolean readsPairs() {
        return folders.containsKey(Task.QUESTION_ANSWERING);
    }

    public List<String> paths() {
        List<String> paths = new ArrayList<>();
        folders.values().forEach(folder -> paths.add(folder.toAbsolutePath().toString()));
        return paths;
    }
}
