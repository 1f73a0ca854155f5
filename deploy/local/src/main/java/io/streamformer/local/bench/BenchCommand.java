package io.streamformer.local.bench;

import io.streamformer.local.Arguments;
import io.streamformer.local.Releases;
import io.streamformer.local.SampleTexts;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code streamformer bench}: reads and checks its arguments, then runs a {@link Bench}. */
@Command(
        name = "bench",
        mixinStandardHelpOptions = true,
        versionProvider = Releases.class,
        sortOptions = false,
        customSynopsis = {
            "streamformer bench [OPTIONS]",
            "       streamformer bench (load | soak | scale) [OPTIONS]"
        },
        subcommands = {LoadCommand.class, SoakCommand.class, ScaleCommand.class},
        description = {
            "",
            "What Kafka, Flink and batching cost and gain, for each bundle, in one run on the same"
                    + " texts:",
            "  raw ceiling          ready, length-sorted batches on a session of the same variant,"
                    + " by as many threads; no Flink, no Kafka, no tokenizer, no decoder",
            "  end to end           texts that are ready in a topic, through the job of the demo,"
                    + " to committed results (exactly once)",
            "  order of keys only   the same with 1,000 keys, each of whose results keep their order;"
                    + " end to end all of them do",
            "  no order             the same where each result leaves when it is ready",
            "  batches of one       the same job with one row per batch, as many at once as cores",
            "  one call at a time   the same with one call under way, on all cores: a map function",
            "",
            "All take turns, so that each round's ratios come from the same minute; medians"
                    + " are shown. A whole turn of the job warms the JVM up. A turn of the job counts"
                    + " from the result that ends its first fifth, or twice what the job has under"
                    + " way where that is more (1,024 for each subtask); a turn shorter than four"
                    + " times that is said to overstate the job.",
            "",
            "Other benchmarks, each with a --help of its own:",
            "  bench load           latency while events come at a set rate",
            "  bench soak           throughput and memory over a million records",
            "  bench scale          more subtasks, more bundles in one job",
            ""
        },
        footer = {"", "Exit codes: 0 it ran, 1 it failed, 2 bad arguments, 130 Ctrl-C."})
public final class BenchCommand implements Callable<Integer> {

    @Mixin private BenchArguments arguments;

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
            names = "--parallelism",
            paramLabel = "N",
            defaultValue = "1",
            description = "Subtasks of each operator (default: ${DEFAULT-VALUE}).")
    private int parallelism;

    @Option(
            names = "--only",
            split = ",",
            paramLabel = "TURN",
            description =
                    "raw, end-to-end, key-order, no-order, single or map, several with commas"
                            + " (default: all). Ratios are shown of the turns that ran. On a GPU"
                            + " leave out single and map: they take minutes.")
    private List<String> only = List.of();

    @Override
    public Integer call() throws Exception {
        BenchArguments.checkRounds(rounds);
        BenchArguments.checkSeconds(seconds);
        Arguments.check(
                records == null || (records >= 10 && records <= 10_000_000),
                "--records must be 10 to 10000000",
                records);
        Arguments.checkParallelism(parallelism);
        List<BenchMode> modes = modes();
        return arguments.run(
                parallelism,
                SampleTexts.ofAllLengths(),
                (stage, bundles) ->
                        new Bench(stage, bundles, modes, records, seconds, rounds, parallelism)
                                .run());
    }

    /** The turns that are asked for, in their own order. */
    private List<BenchMode> modes() {
        List<BenchMode> all = List.of(BenchMode.values());
        List<String> known = all.stream().map(BenchMode::option).toList();
        for (String name : only) {
            Arguments.check(
                    known.contains(name), "--only has turns of " + String.join(", ", known), name);
        }
        return only.isEmpty()
                ? all
                : all.stream().filter(mode -> only.contains(mode.option())).toList();
    }
}
