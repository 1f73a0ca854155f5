package io.streamformer.local.bench;

import io.streamformer.local.Arguments;
import io.streamformer.local.Releases;
import io.streamformer.local.SampleTexts;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code streamformer bench scale}: reads and checks its arguments, then a {@link ScaleBench}. */
@Command(
        name = "scale",
        mixinStandardHelpOptions = true,
        versionProvider = Releases.class,
        sortOptions = false,
        customSynopsis = "streamformer bench scale [OPTIONS]",
        description = {
            "",
            "What more subtasks and more bundles in one job cost, for each bundle: every parallelism"
                    + " with every number of bundles, in turn, over topics that are ready, exactly"
                    + " once.",
            "",
            "The bundles beside the first are copies of it under other names, each with a session of"
                    + " its own. A job of k bundles answers each event k times and gets a k-th of the"
                    + " events, so that every turn gives the same number of answers. A turn counts"
                    + " from the first run of a model until the last result. Medians over the rounds"
                    + " are shown, and their share of the best.",
            ""
        })
final class ScaleCommand implements Callable<Integer> {

    @Mixin private BenchArguments arguments;

    @Option(
            names = "--parallelism",
            split = ",",
            paramLabel = "N",
            defaultValue = "1,2,4",
            description = "Subtasks of each operator (default: ${DEFAULT-VALUE}).")
    private List<Integer> parallelism;

    @Option(
            names = "--bundles",
            split = ",",
            paramLabel = "N",
            defaultValue = "1,2,5",
            description = "Bundles in one job (default: ${DEFAULT-VALUE}).")
    private List<Integer> bundles;

    @Option(
            names = "--seconds",
            paramLabel = "N",
            defaultValue = "10",
            description = "What a turn is to take, about (default: ${DEFAULT-VALUE}).")
    private int seconds;

    @Option(
            names = "--rounds",
            paramLabel = "N",
            defaultValue = "3",
            description = "Turns of each (default: ${DEFAULT-VALUE}).")
    private int rounds;

    @Override
    public Integer call() throws Exception {
        parallelism.forEach(Arguments::checkParallelism);
        Arguments.check(
                bundles.stream().allMatch(count -> count >= 1 && count <= 16),
                "--bundles must be 1 to 16",
                bundles);
        BenchArguments.checkSeconds(seconds);
        BenchArguments.checkRounds(rounds);
        return arguments.run(
                Collections.max(parallelism),
                SampleTexts.ofAllLengths(),
                (stage, chosen) ->
                        new ScaleBench(stage, chosen, parallelism, bundles, seconds, rounds).run());
    }
}
