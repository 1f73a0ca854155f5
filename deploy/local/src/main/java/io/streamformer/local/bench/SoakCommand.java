package io.streamformer.local.bench;

import io.streamformer.local.Arguments;
import io.streamformer.local.Releases;
import io.streamformer.local.SampleTexts;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/**
 * {@code streamformer bench soak}: reads and checks its arguments, then runs a {@link SoakBench}.
 */
@Command(
        name = "soak",
        mixinStandardHelpOptions = true,
        versionProvider = Releases.class,
        sortOptions = false,
        customSynopsis = "streamformer bench soak [OPTIONS]",
        description = {
            "",
            "Whether throughput and memory stay as they are over many short records, for each"
                    + " bundle: a topic that is ready, through the job of the demo, to committed"
                    + " results (exactly once).",
            "",
            "The first tenth of the results warms up. Throughput is given for each tenth, by the"
                    + " broker's clock; memory is what is resident of the whole process (broker,"
                    + " cluster, job and model), looked at once a second.",
            ""
        })
final class SoakCommand implements Callable<Integer> {

    @Mixin private BenchArguments arguments;

    @Option(
            names = "--records",
            paramLabel = "N",
            defaultValue = "1000000",
            description = "Records per bundle (default: ${DEFAULT-VALUE}).")
    private int records;

    @Option(
            names = "--parallelism",
            paramLabel = "N",
            defaultValue = "1",
            description = "Subtasks of each operator (default: ${DEFAULT-VALUE}).")
    private int parallelism;

    @Override
    public Integer call() throws Exception {
        Arguments.check(
                records >= 100 && records <= 10_000_000,
                "--records must be 100 to 10000000",
                records);
        Arguments.checkParallelism(parallelism);
        return arguments.run(
                parallelism,
                SampleTexts.ofShortLengths(),
                (stage, bundles) -> new SoakBench(stage, bundles, records, parallelism).run());
    }
}
