package io.streamformer.job;

import io.streamformer.options.Option;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;

/** The options as text: read from a command line, written as its manual and as the docs' table. */
final class OptionsText {

    private OptionsText() {}

    /** The values of a command line by key; a list may repeat its option. */
    static SortedMap<String, String> parse(String... args) {
        SortedMap<String, String> given = new TreeMap<>();
        for (int i = 0; i < args.length; i += 2) {
            // The argument itself may be a secret whose key was forgotten: it is not shown.
            check(
                    args[i].startsWith("--"),
                    "Argument " + (i + 1) + " has no -- in front. Write --KEY VALUE.");
            String key = args[i].substring(2);
            check(
                    i + 1 < args.length && !args[i + 1].startsWith("--"),
                    "--" + key + " has no value. Write --" + key + " VALUE.");
            String before = given.put(key, args[i + 1]);
            if (before != null) {
                check(
                        key.equals(JobOptions.BUNDLES.key()),
                        "--"
                                + key
                                + " is given twice. Only --"
                                + JobOptions.BUNDLES
                                + " may be repeated. Keep one.");
                given.put(key, before + ";" + args[i + 1]);
            }
        }
        return given;
    }

    private static void check(boolean holds, String message) {
        if (!holds) {
            throw new IllegalArgumentException(message);
        }
    }

    /** An option's default as it is written; empty where there is none. */
    static <T> String defaultOf(Option<T> option) {
        T value = option.defaultValue();
        boolean empty = value == null || value.equals(Map.of()) || value.equals(List.of());
        return empty ? "" : option.type().write(value);
    }

    static String help() {
        StringBuilder text =
                new StringBuilder(
                        """
                        Runs Transformer models over a Kafka topic of texts.

                        Usage: StreamformerJob --bootstrap-servers HOST:PORT --bundles PATH [--key value]...

                        An option model.x holds for every bundle, model.<bundle name>.x for one.
                        Flink's configuration may set options too, as streamformer.KEY; the command
                        line goes first.

                        """);
        for (Option<?> option : JobOptions.ALL) {
            text.append("  --").append(option).append("  (").append(option.type().name());
            if (!defaultOf(option).isEmpty()) {
                text.append("; ").append(defaultOf(option));
            }
            text.append(")\n      ").append(option.help()).append('\n');
        }
        return text.toString();
    }

    /** The table of operator/docs/options.md. */
    static String markdown() {
        StringBuilder text =
                new StringBuilder("| option | type | default | |\n| --- | --- | --- | --- |\n");
        for (Option<?> option : JobOptions.ALL) {
            text.append("| `").append(option).append("` | ");
            text.append(option.type().name()).append(" | ");
            if (!defaultOf(option).isEmpty()) {
                text.append('`').append(defaultOf(option)).append("` ");
            }
            text.append("| ").append(help(option)).append(" |\n");
        }
        return text.toString();
    }

    private static String help(Option<?> option) {
        boolean needs = option.neutral() != null;
        return option.help()
                + (needs ? " Needs a graph exported `--with " + option.exportedWith() + "`." : "");
    }
}
