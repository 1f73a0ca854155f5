package io.streamformer.local;

import io.streamformer.bundle.Bundle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** The bundle of each task that the demo runs. */
public record DemoBundles(Map<DemoTask, Path> folders) {

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
    public static DemoBundles choose(Set<DemoTask> wanted, List<Path> given) {
        Map<DemoTask, Path> chosen = new EnumMap<>(DemoTask.class);
        for (Path folder : given) {
            DemoTask task = taskOf(folder);
            if (!wanted.isEmpty() && !wanted.contains(task)) {
                throw new UsageException(
                        folder
                                + " does "
                                + task.label()
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
                                + task.label());
            }
        }
        boolean familiar = chosen.keySet().stream().allMatch(task -> task.defaultBundle() != null);
        for (DemoTask task : DemoTask.values()) {
            boolean besides = wanted.isEmpty() && familiar && task.defaultBundle() != null;
            if (besides || wanted.contains(task)) {
                chosen.computeIfAbsent(task, DemoBundles::builtIn);
            }
        }
        return new DemoBundles(chosen);
    }

    private static DemoTask taskOf(Path folder) {
        UserFiles.checkBundle("--bundle", folder);
        return DemoTask.of(Bundle.read(folder).manifest().task());
    }

    private static Path builtIn(DemoTask task) {
        if (task.defaultBundle() == null) {
            throw new UsageException(
                    "No bundle for "
                            + task.label()
                            + " comes with Streamformer: give one with --bundle");
        }
        Path folder =
                Path.of(
                        System.getProperty(HOME, ""),
                        "model-export",
                        "bundles",
                        task.defaultBundle());
        if (!Files.isRegularFile(folder.resolve("manifest.json"))) {
            throw new UsageException(
                    "The built-in bundle for "
                            + task.label()
                            + " is not at "
                            + folder
                            + ": give one with --bundle, or leave the task out with --tasks");
        }
        return folder;
    }

    /** True where a line is a question and its context. */
    public boolean readsPairs() {
        return folders.containsKey(DemoTask.ANSWER);
    }

    public List<String> paths() {
        List<String> paths = new ArrayList<>();
        folders.values().forEach(folder -> paths.add(folder.toAbsolutePath().toString()));
        return paths;
    }
}
