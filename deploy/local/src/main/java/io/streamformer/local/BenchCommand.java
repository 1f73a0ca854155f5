package io.streamformer.local;

import io.streamformer.inference.Device;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code streamformer bench}: reads and checks its arguments, then runs a {@link Bench}. */
@Command(
        name = "bench",
        mixinStandardHelpOptions = true,
        versionProvider = Main.Version.class,
        sortOptions = false,
        customSynopsis = "streamformer bench [OPTIONS]",
        description = {
            "",
            "What Kafka, Flink and batching cost and gain, for each bundle, in one run on the same"
                    + " texts:",
            "  raw ceiling          ready, length-sorted batches on a session of the same variant,"
                    + " by as many threads; neither Flink nor Kafka, neither tokenizer nor decoder",
            "  end to end           texts that lie ready in a topic, through the job of the demo,"
                    + " to committed results (exactly once)",
            "  batches of one       the same job with one row per batch, as many at once as cores",
            "  one call at a time   the same with one call under way, on all cores: a map function",
            "",
            "The four take turns, so that each round's ratios come from the same minute; medians"
                    + " are shown. A whole turn of the job warms the JVM up, and the first fifth of"
                    + " each turn is not counted either.",
            ""
        },
        footer = {"", "Exit codes: 0 it ran, 1 it failed, 2 bad arguments, 130 Ctrl-C."})
final class BenchCommand implements Callable<Integer> {

    @Option(
            names = "--texts",
            paramLabel = "FILE",
            description = "One text per line (default: 150 messages of mixed lengths).")
    private Path texts;

    @Option(
            names = "--records",
            paramLabel = "N",
            description = "Texts per turn (default: as many as --seconds takes).")
    private Integer records;

    @Option(
            names = "--seconds",
            paramLabel = "N",
            defaultValue = "6",
            description =
                    "What a turn of the raw ceiling is to take; the others take longer (default:"
                            + " ${DEFAULT-VALUE}).")
    private int seconds;

    @Option(
            names = "--rounds",
            paramLabel = "N",
            defaultValue = "3",
            description = "Turns of each (default: ${DEFAULT-VALUE}).")
    private int rounds;

    @Option(
            names = "--tasks",
            split = ",",
            paramLabel = "TASK",
            description = "sentiment, translation, or both with a comma (default: both).")
    private List<String> tasks = List.of();

    @Option(
            names = "--bundle",
            paramLabel = "FOLDER",
            description =
                    "Use this bundle in place of the built-in one for its task; may be repeated.")
    private List<Path> bundles = List.of();

    @Option(
            names = "--parallelism",
            paramLabel = "N",
            defaultValue = "1",
            description = "Subtasks of each operator (default: ${DEFAULT-VALUE}).")
    private int parallelism;

    @Option(
            names = "--device",
            paramLabel = "DEVICE",
            defaultValue = "auto",
            description = "auto, cpu, or cuda:N to insist on a GPU (default: ${DEFAULT-VALUE}).")
    private String device;

    @Option(
            names = "--json",
            paramLabel = "FILE",
            description = "Also write each turn and each bundle's medians as JSON lines.")
    private Path json;

    @Override
    public Integer call() throws Exception {
        Arguments.check(rounds >= 1 && rounds <= 100, "--rounds is 1 to 100", rounds);
        Arguments.check(seconds >= 1 && seconds <= 3600, "--seconds is 1 to 3600", seconds);
        Arguments.check(
                records == null || (records >= 10 && records <= 10_000_000),
                "--records is 10 to 10000000",
                records);
        Arguments.checkParallelism(parallelism);
        Device parsedDevice = Arguments.device(device);
        List<String> sample = readTexts();
        if (json != null) {
            Arguments.checkWritable("--json", json);
        }
        DemoBundles chosen = DemoBundles.choose(Arguments.tasks(tasks), bundles);
        Arguments.check(
                !chosen.readsPairs(),
                "the benchmark's texts are no questions with contexts: leave that bundle out",
                chosen.folders().get(DemoTask.ANSWER));
        Screen screen = Screen.of(System.out, "stdout");
        try (PrintStream jsonOut =
                json == null
                        ? new PrintStream(
                                PrintStream.nullOutputStream(), false, StandardCharsets.UTF_8)
                        : new PrintStream(
                                Files.newOutputStream(json), false, StandardCharsets.UTF_8)) {
            return new Bench(
                            new Bench.Settings(
                                    chosen,
                                    sample,
                                    records,
                                    seconds,
                                    rounds,
                                    parallelism,
                                    parsedDevice),
                            screen,
                            jsonOut)
                    .run();
        }
    }

    private List<String> readTexts() throws IOException {
        if (texts == null) {
            return SampleTexts.ofAllLengths();
        }
        Arguments.checkReadable("--texts", texts);
        List<String> lines = new ArrayList<>();
        try (Lines file = new Lines(Files.newInputStream(texts), Demo.MAX_LINE_BYTES)) {
            for (LineSource.Line line = file.next(); line != null; line = file.next()) {
                String text =
                        line.bytes() == null
                                ? ""
                                : new String(line.bytes(), StandardCharsets.UTF_8);
                if (!text.isBlank()) {
                    lines.add(text);
                }
            }
        }
        Arguments.check(!lines.isEmpty(), "--texts has a line that is not blank", texts);
        return lines;
    }
}
