package io.streamformer.local;

import io.streamformer.bundle.Task;
import io.streamformer.inference.Device;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import picocli.CommandLine;

/** Rules for arguments that several commands share. */
public final class Arguments {

    private Arguments() {}

    /** Refuses an argument: the rule, then the value. */
    public static void check(boolean holds, String rule, Object value) {
        if (!holds) {
            throw new UsageException(rule + ", but it is " + value);
        }
    }

    public static void checkParallelism(int parallelism) {
        check(
                parallelism >= 1 && parallelism <= 128,
                "--parallelism must be 1 to 128",
                parallelism);
    }

    /** A path on the command line, which Java reads in the characters of the locale. */
    static Path path(String text) {
        try {
            return Path.of(text);
        } catch (InvalidPathException e) {
            throw new CommandLine.TypeConversionException(
                    "a path is written in the characters of the locale, '"
                            + text
                            + "' is not ("
                            + e.getReason()
                            + "). Set LC_ALL=C.UTF-8");
        }
    }

    public static Device device(String text) {
        try {
            return Device.parse(text);
        } catch (IllegalArgumentException e) {
            throw new UsageException("--device: " + e.getMessage());
        }
    }

    /** The tasks of these names; none means every task. */
    public static Set<Task> tasks(List<String> names) {
        Set<Task> tasks = EnumSet.noneOf(Task.class);
        for (String name : names) {
            tasks.add(DemoTasks.parse(name.strip()));
        }
        return tasks;
    }
}
