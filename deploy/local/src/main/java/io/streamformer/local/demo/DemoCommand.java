package io.streamformer.local.demo;

import io.streamformer.inference.Device;
import io.streamformer.local.Arguments;
import io.streamformer.local.DemoBundles;
import io.streamformer.local.LineSource;
import io.streamformer.local.Lines;
import io.streamformer.local.Releases;
import io.streamformer.local.Screen;
import io.streamformer.local.Topics;
import io.streamformer.local.UserFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code streamformer demo}: reads and checks its arguments, then runs a {@link Demo}. */
@Command(
        name = "demo",
        mixinStandardHelpOptions = true,
        versionProvider = Releases.class,
        sortOptions = false,
        customSynopsis = "streamformer demo [--file IN | --stdin] [OPTIONS]",
        description = {
            "",
            "Texts in, sentiment and French out, through Kafka and Flink on this machine.",
            "",
            "Starts a Kafka broker and a Flink cluster with its web UI in this process, creates"
                    + " the topics text-events, text-sentiment, text-translations and"
                    + " text-dead-letters, sends texts to the first and prints what comes back"
                    + " from the others (read_committed). Without --file or --stdin it sends a"
                    + " sample stream of messages until Ctrl-C. With --bundle any task runs.",
            ""
        },
        footer = {
            "",
            "Results appear when Flink commits a checkpoint: the latency that the totals show is"
                    + " mostly the wait for it (--checkpoint-interval).",
            "",
            "With a bundle for questions a line is the question, a tab and the context.",
            "",
            "A line of --output is a JSON object: id (the line's number), text, the answers of"
                    + " the tasks, models{name, version, variant, hash}, truncated; or"
                    + " dead_letter{stage,reason,tasks} for what has no answer. Answers:"
                    + " sentiment{label,score} (any text classification; with scores{} where"
                    + " several labels may be right or it is a regression),"
                    + " entities[{label,score,text,start,end}], answer{text,score,start,end},"
                    + " embedding[numbers], translation{text,language}, and summary, generation"
                    + " or continuation{text,score}. start and end count characters (code"
                    + " points).",
            "",
            "Examples:",
            "  streamformer demo",
            "  streamformer demo --file in.txt --output out.jsonl",
            "  echo 'What a day!' | streamformer demo --stdin --tasks translation",
            "  streamformer demo --bundle my-entities --file in.txt",
            "",
            "Exit codes: 0 every line has its outcome, 1 it failed, 2 bad arguments, 130 Ctrl-C."
        })
public final class DemoCommand implements Callable<Integer> {

    @ArgGroup private Input input = new Input();

    /** At most one of these. */
    static final class Input {
        @Option(
                names = "--file",
                paramLabel = "IN",
                description = "Send the lines of this file, then end.")
        private Path file;

        @Option(
                names = "--stdin",
                description = "Send the lines that are typed or piped in; end of input ends.")
        private boolean stdin;
    }

    @Option(
            names = "--output",
            paramLabel = "OUT",
            description =
                    "Write one JSON object per line, in the order of the input, instead of"
                            + " printing; - is the standard output.")
    private Path output;

    @Option(
            names = "--tasks",
            split = ",",
            paramLabel = "TASK",
            description =
                    "sentiment, translation, or a task of a given bundle: entities, answer,"
                            + " embedding, summary, generation, continuation; several with commas"
                            + " (default: the tasks of the given bundles, with sentiment and"
                            + " translation where only these are given).")
    private List<String> tasks = List.of();

    @Option(
            names = "--bundle",
            paramLabel = "FOLDER",
            description =
                    "Use this bundle, in place of the built-in one where its task has one; may be"
                            + " repeated.")
    private List<Path> bundles = List.of();

    @Option(
            names = "--bootstrap-servers",
            paramLabel = "HOST:PORT",
            description = "Use this Kafka; missing topics are created in it.")
    private String bootstrapServers;

    @Option(
            names = "--topic-prefix",
            paramLabel = "PREFIX",
            defaultValue = "",
            description = "Put this before the names of the topics.")
    private String topicPrefix = "";

    @Option(
            names = "--rate",
            paramLabel = "N",
            defaultValue = "4",
            description = "Messages per second of the sample stream (default: ${DEFAULT-VALUE}).")
    private double rate;

    @Option(
            names = "--events",
            paramLabel = "N",
            description = "End after so many messages of the sample stream (default: never).")
    private Long events;

    @Option(
            names = "--parallelism",
            paramLabel = "N",
            defaultValue = "1",
            description =
                    "Subtasks of each operator (default: ${DEFAULT-VALUE}). They share one session"
                            + " per model: more than 1 helps where Kafka, not the model, is slow.")
    private int parallelism;

    @Option(
            names = "--device",
            paramLabel = "DEVICE",
            defaultValue = "auto",
            description =
                    "auto, cpu, or cuda:N to insist on a GPU (default: ${DEFAULT-VALUE}). A GPU"
                            + " needs a build with ./mvnw -Pgpu.")
    private String device;

    @Option(
            names = "--beams",
            paramLabel = "N",
            description = "Beams of what is generated, 1 is greedy (default: the bundle's).")
    private Integer beams;

    @Option(
            names = "--checkpoint-interval",
            paramLabel = "MS",
            defaultValue = "500",
            description =
                    "Milliseconds between checkpoints, and so between commits (default:"
                            + " ${DEFAULT-VALUE}).")
    private int checkpointInterval;

    @Override
    public Integer call() throws Exception {
        Arguments.checkParallelism(parallelism);
        Arguments.check(
                beams == null || (beams >= 1 && beams <= 16), "--beams must be 1 to 16", beams);
        Arguments.check(
                rate > 0 && rate <= 100_000, "--rate must be more than 0, at most 100000", rate);
        Arguments.check(events == null || events >= 1, "--events must be at least 1", events);
        Arguments.check(
                checkpointInterval >= 10 && checkpointInterval <= 600_000,
                "--checkpoint-interval must be 10 to 600000 (milliseconds)",
                checkpointInterval);
        Arguments.check(
                events == null || (input.file == null && !input.stdin),
                "--events is for the sample stream only: leave it out, or --file and --stdin",
                events);
        Device parsedDevice = Arguments.device(device);
        checkFiles();
        DemoBundles chosen = DemoBundles.choose(Arguments.tasks(tasks), bundles);
        Demo.Settings settings =
                new Demo.Settings(
                        chosen,
                        bootstrapServers,
                        Topics.prefixed(topicPrefix, chosen.folders().keySet()),
                        parallelism,
                        parsedDevice,
                        beams,
                        Duration.ofMillis(checkpointInterval));
        Screen screen =
                isStdout() ? Screen.of(System.err, "stderr") : Screen.of(System.out, "stdout");
        try (LineSource source = source(chosen.readsPairs());
                ResultWriter writer = ResultWriter.open(output, input.stdin)) {
            return new Demo(settings, source, writer, screen, input.stdin).run();
        }
    }

    private LineSource source(boolean pairs) {
        if (input.file != null) {
            return new Lines(UserFiles.read("--file", input.file), Lines.MAX_BYTES);
        }
        if (input.stdin) {
            return new Lines(UserFiles.standardInput(), Lines.MAX_BYTES);
        }
        return new SampleStream(rate, events == null ? Long.MAX_VALUE : events, pairs);
    }

    private void checkFiles() {
        if (input.file != null) {
            UserFiles.checkReadable("--file", input.file);
        }
        if (output != null && !isStdout()) {
            UserFiles.checkWritable("--output", output);
            Arguments.check(
                    input.file == null || !isSame(input.file, output),
                    "--output must be another file than --file",
                    output);
        }
    }

    private boolean isStdout() {
        return output != null && output.toString().equals("-");
    }

    private static boolean isSame(Path a, Path b) {
        try {
            return Files.exists(b) && Files.isSameFile(a, b);
        } catch (IOException e) {
            return false;
        }
    }
}
