package io.streamformer.local.bench;

import io.streamformer.local.Arguments;
import io.streamformer.local.Releases;
import io.streamformer.local.SampleTexts;
import io.streamformer.local.UserFiles;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/**
 * {@code streamformer bench load}: reads and checks its arguments, then runs a {@link LoadBench}.
 */
@Command(
        name = "load",
        mixinStandardHelpOptions = true,
        versionProvider = Releases.class,
        sortOptions = false,
        customSynopsis = "streamformer bench load [OPTIONS]",
        description = {
            "",
            "How long an answer takes while events come at a set rate (an open loop), for each"
                    + " bundle and several shares of the rate that the job sustains over a topic"
                    + " that is ready, which is measured just before.",
            "",
            "Events are sent at random times (a Poisson process, the same in each run). The latency"
                    + " of each counts from the time at which it was to be sent, late or not, until"
                    + " its result can be read. Results are written at least once and so are"
                    + " readable at once; the load nearest to one half is measured exactly once too,"
                    + " where the wait for a checkpoint (every second) comes on top. Half of"
                    + " --seconds at half the load warms up first, and a tenth of it before each"
                    + " load.",
            ""
        })
final class LoadCommand implements Callable<Integer> {

    @Mixin private BenchArguments arguments;

    @Option(
            names = "--loads",
            split = ",",
            paramLabel = "SHARE",
            defaultValue = "0.25,0.5,0.75,0.9",
            description =
                    "Shares of the sustained rate, ascending (default: ${DEFAULT-VALUE}); above 1"
                            + " the queue grows as long as events come.")
    private List<Double> loads;

    @Option(
            names = "--seconds",
            paramLabel = "N",
            defaultValue = "60",
            description = "How long each load is measured (default: ${DEFAULT-VALUE}).")
    private int seconds;

    @Option(
            names = "--parallelism",
            paramLabel = "N",
            defaultValue = "1",
            description = "Subtasks of each operator (default: ${DEFAULT-VALUE}).")
    private int parallelism;

    @Option(
            names = "--picture",
            paramLabel = "FILE",
            description = "Also draw throughput and latency over the load, as SVG.")
    private Path picture;

    @Override
    public Integer call() throws Exception {
        Arguments.check(
                loads.stream().allMatch(load -> load >= 0.01 && load <= 2),
                "--loads must be 0.01 to 2",
                loads);
        Arguments.check(
                loads.stream().sorted().distinct().toList().equals(loads),
                "--loads must ascend",
                loads);
        BenchArguments.checkSeconds(seconds);
        Arguments.checkParallelism(parallelism);
        if (picture != null) {
            UserFiles.checkWritable("--picture", picture);
        }
        return arguments.run(
                parallelism,
                SampleTexts.ofAllLengths(),
                (stage, bundles) ->
                        new LoadBench(stage, bundles, loads, seconds, parallelism, picture).run());
    }
}
