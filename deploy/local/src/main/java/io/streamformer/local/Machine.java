package io.streamformer.local;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;

/** What a measurement has to say about where it was taken. */
public final class Machine {

    private Machine() {}

    /** Processor, system and releases. */
    public static List<String> describe() throws IOException {
        Runtime runtime = Runtime.getRuntime();
        double load = ManagementFactory.getOperatingSystemMXBean().getSystemLoadAverage();
        return List.of(
                String.format(
                        Locale.ROOT,
                        "%d cores, %s, %s %s, load %.1f",
                        runtime.availableProcessors(),
                        field(Path.of("/proc/cpuinfo"), "model name", "an unknown processor"),
                        System.getProperty("os.name"),
                        System.getProperty("os.version"),
                        load),
                String.join(", ", new Releases().getVersion()));
    }

    /** Resident memory of this process, now and at its highest. */
    public static String memory() throws IOException {
        Path status = Path.of("/proc/self/status");
        return "resident "
                + megabytes(field(status, "VmRSS", ""))
                + ", at its highest "
                + megabytes(field(status, "VmHWM", ""));
    }

    /** Resident memory of this process. */
    public static long residentKilobytes() throws IOException {
        String digits = field(Path.of("/proc/self/status"), "VmRSS", "").replaceAll("\\D", "");
        if (digits.isEmpty()) {
            throw new IOException(
                    "resident memory is read from /proc/self/status, which is not here: run this on"
                            + " Linux");
        }
        return Long.parseLong(digits);
    }

    private static String megabytes(String kilobytes) {
        String digits = kilobytes.replaceAll("\\D", "");
        return digits.isEmpty() ? "unknown" : Long.parseLong(digits) / 1024 + " MB";
    }

    private static String field(Path file, String name, String otherwise) throws IOException {
        if (!Files.isReadable(file)) {
            return otherwise;
        }
        for (String line : Files.readAllLines(file)) {
            if (line.startsWith(name)) {
                return line.substring(line.indexOf(':') + 1).strip();
            }
        }
        return otherwise;
    }
}
