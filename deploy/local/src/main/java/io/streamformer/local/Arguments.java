package io.streamformer.local;

import io.streamformer.inference.Device;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;

/** Rules for arguments that several commands share. */
public final class Arguments {

    private Arguments() {}

    /** Refuses an argument: the rule, then the value seen. */
    public static void check(boolean holds, String rule, Object seen) {
        if (!holds) {
            throw new UsageException(rule + ", seen " + seen);
        }
    }

    public static void checkParallelism(int parallelism) {
        check(parallelism >= 1 && parallelism <= 128, "--parallelism is 1 to 128", parallelism);
    }

    public static void checkReadable(String option, Path file) {
        check(Files.exists(file), option + " is a file that exists", file);
        check(!Files.isDirectory(file), option + " is a file, not a folder", file);
        check(Files.isReadable(file), option + " is a file that you may read", file);
    }

    public static void checkWritable(String option, Path file) {
        Path folder = file.toAbsolutePath().getParent();
        check(
                folder != null && Files.isDirectory(folder),
                option + " is in a folder that exists: make it first",
                file);
        check(!Files.isDirectory(file), option + " is a file, not a folder", file);
        check(
                Files.isWritable(Files.exists(file) ? file : folder),
                option + " is a file that you may write",
                file);
    }

    public static Device device(String text) {
        try {
            return Device.parse(text);
        } catch (IllegalArgumentException e) {
            throw new UsageException("--device: " + e.getMessage());
        }
    }

    /** The tasks of these names; none means every task. */
    public static Set<DemoTask> tasks(List<String> names) {
        Set<DemoTask> tasks = EnumSet.noneOf(DemoTask.class);
        for (String name : names) {
            tasks.add(DemoTask.parse(name.strip()));
        }
        return tasks;
    }
}
