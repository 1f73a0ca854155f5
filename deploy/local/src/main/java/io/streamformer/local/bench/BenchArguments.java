package io.streamformer.local.bench;

import io.streamformer.bundle.DecodingOptions;
import io.streamformer.bundle.Task;
import io.streamformer.engine.ModelOptions;
import io.streamformer.local.Arguments;
import io.streamformer.local.DemoBundles;
import io.streamformer.local.LineSource;
import io.streamformer.local.Lines;
import io.streamformer.local.Screen;
import io.streamformer.local.UserFiles;
import io.streamformer.options.Options;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The arguments that every benchmark takes, and what it runs on once they are checked. */
final class BenchArguments {

    /** What is left to a benchmark once its stage is up. */
    interface Benchmark {
        void run(BenchStage stage, DemoBundles bundles) throws Exception;
    }

    @Spec(Spec.Target.MIXEE)
    private CommandSpec command;

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
            names = "--texts",
            paramLabel = "FILE",
            description = "One text per line (default: a collection that comes with it).")
    private Path texts;

    @Option(
            names = "--device",
            paramLabel = "DEVICE",
            defaultValue = "auto",
            description = "auto, cpu, or cuda:N to insist on a GPU (default: ${DEFAULT-VALUE}).")
    private String device;

    @Option(
            names = "--variant",
            paramLabel = "NAME",
            description = "fp32, fp16 or another variant (default: the bundle's).")
    private String variant;

    @Option(
            names = "--max-rows",
            paramLabel = "N",
            description = "Most texts in a batch; more helps a GPU (default: the job's).")
    private Integer maxRows;

    @Option(
            names = "--max-tokens",
            paramLabel = "N",
            description = "Most padded tokens in a batch (default: the job's).")
    private Integer maxTokens;

    @Option(
            names = "--beams",
            paramLabel = "N",
            description = "Beams of what is generated, 1 is greedy (default: the bundle's).")
    private Integer beams;

    @Option(
            names = "--json",
            paramLabel = "FILE",
            description = "Also write every figure as JSON lines.")
    private Path json;

    /**
     * Checks the arguments, starts broker and cluster, and runs a benchmark.
     *
     * @param slots most subtasks of an operator
     * @param collection the texts where none are given
     */
    int run(int slots, List<String> collection, Benchmark benchmark) throws Exception {
        checkParent();
        Arguments.check(
                beams == null || (beams >= 1 && beams <= 16), "--beams must be 1 to 16", beams);
        Arguments.check(maxRows == null || maxRows >= 1, "--max-rows must be at least 1", maxRows);
        Arguments.check(
                maxTokens == null || maxTokens >= 1, "--max-tokens must be at least 1", maxTokens);
        Options options =
                Options.DEFAULTS
                        .with(ModelOptions.DEVICE, Arguments.device(device))
                        .with(ModelOptions.VARIANT, variant)
                        .with(ModelOptions.MAX_ROWS, maxRows)
                        .with(ModelOptions.MAX_TOKENS, maxTokens)
                        .with(DecodingOptions.NUM_BEAMS, beams);
        List<String> lines = texts == null ? collection : readTexts();
        if (json != null) {
            UserFiles.checkWritable("--json", json);
        }
        DemoBundles chosen = DemoBundles.choose(Arguments.tasks(tasks), bundles);
        Arguments.check(
                !chosen.readsPairs(),
                "the benchmark's texts are no questions with contexts: leave that bundle out",
                chosen.folders().get(Task.QUESTION_ANSWERING));
        Screen screen = Screen.of(System.out, "stdout");
        try (PrintStream figures =
                        new PrintStream(
                                json == null
                                        ? OutputStream.nullOutputStream()
                                        : UserFiles.write("--json", json),
                                false,
                                StandardCharsets.UTF_8);
                BenchStage stage = new BenchStage(lines, options, slots, screen, figures)) {
            benchmark.run(stage, chosen);
            return 0;
        }
    }

    static void checkSeconds(int seconds) {
        Arguments.check(seconds >= 1 && seconds <= 3600, "--seconds must be 1 to 3600", seconds);
    }

    static void checkRounds(int rounds) {
        Arguments.check(rounds >= 1 && rounds <= 100, "--rounds must be 1 to 100", rounds);
    }

    /** An option between bench and the name of a benchmark is one of another benchmark. */
    private void checkParent() {
        List<OptionSpec> before = command.parent().commandLine().getParseResult().matchedOptions();
        Arguments.check(
                before.isEmpty(),
                "Options must come after " + command.qualifiedName(),
                before.isEmpty() ? "" : before.get(0).longestName() + " before it");
    }

    private List<String> readTexts() throws IOException {
        UserFiles.checkReadable("--texts", texts);
        List<String> lines = new ArrayList<>();
        try (Lines file = new Lines(UserFiles.read("--texts", texts), Lines.MAX_BYTES)) {
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
