package io.streamformer.engine;

import static io.streamformer.options.Option.Scope.ROUTE;
import static io.streamformer.options.OptionType.BYTES;
import static io.streamformer.options.OptionType.DURATION;
import static io.streamformer.options.OptionType.INTEGER;
import static io.streamformer.options.OptionType.MAP;
import static io.streamformer.options.OptionType.STRING;

import io.streamformer.bundle.DecodingOptions;
import io.streamformer.bundle.Manifest;
import io.streamformer.inference.Device;
import io.streamformer.inference.GenerationOptions;
import io.streamformer.options.Option;
import io.streamformer.options.OptionType;
import io.streamformer.options.Options;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.flink.annotation.Public;

/**
 * How a bundle is run; {@link DecodingOptions} says how it generates. Leases of one bundle with
 * equal values share one session.
 */
@Public
public final class ModelOptions {

    private static final Duration LONGEST_DELAY = Duration.ofMinutes(1);

    public static final Option<String> VARIANT =
            Option.named("variant", ROUTE, STRING)
                    .help(
                            "Variant to run, such as fp32 or int8. Default: the bundle's; on a GPU fp16"
                                    + " or fp32, since CUDA has no kernels for int8.");

    public static final Option<Device> DEVICE =
            Option.named("device", ROUTE, OptionType.of("auto, cpu, cuda:N", Device::parse))
                    .defaultsTo(Device.AUTO)
                    .help(
                            "auto uses a GPU if there is one (on a cluster, every GPU that Flink"
                                    + " assigns as external resource gpu). cpu never does. cuda:N,"
                                    + " or cuda:N,M for several, fails without them.");

    public static final Option<Integer> MAX_ROWS =
            Option.named("batch.max-rows", ROUTE, INTEGER)
                    .defaultsTo(32)
                    .check("at least 1", value -> value >= 1)
                    .help("Maximum texts in a batch. Raise it for a GPU; 32 is enough on a CPU.");

    public static final Option<Integer> MAX_TOKENS =
            Option.named("batch.max-tokens", ROUTE, INTEGER)
                    .defaultsTo(4096)
                    .check("at least 1", value -> value >= 1)
                    .help(
                            "Maximum padded tokens in a batch (longest text × texts). Lower it if"
                                    + " memory is short.");

    public static final Option<Duration> MAX_DELAY =
            Option.named("batch.max-delay", ROUTE, DURATION)
                    .defaultsTo(Duration.ofMillis(3))
                    .check("0 to 1 minute", v -> !v.isNegative() && v.compareTo(LONGEST_DELAY) <= 0)
                    .help(
                            "Longest wait for other texts while the device is busy; an idle device"
                                    + " never waits. Higher values give fuller batches, lower ones"
                                    + " faster answers.");

    public static final Option<Duration> MAX_TIME =
            Option.named("batch.max-time", ROUTE, DURATION)
                    .defaultsTo(Duration.ZERO)
                    .check("0 or more", value -> !value.isNegative())
                    .help(
                            "Longest time a run should take, judged by earlier runs; batches get"
                                    + " smaller to meet it. 0 means no limit.");

    public static final Option<Duration> RUN_TIMEOUT =
            Option.named("run-timeout", ROUTE, DURATION)
                    .defaultsTo(Duration.ofMinutes(2))
                    .check(
                            "1 s to 1 day",
                            v ->
                                    v.compareTo(Duration.ofSeconds(1)) >= 0
                                            && v.compareTo(Duration.ofDays(1)) <= 0)
                    .help(
                            "Longest time a run may take before it is ended and its texts are run"
                                    + " again in halves. Raise it if a single text takes longer. A"
                                    + " run that does not end fails the job.");

    public static final Option<Integer> RUN_THREADS =
            Option.named("run-threads", ROUTE, INTEGER)
                    .defaultsTo(0)
                    .check("at least 0", value -> value >= 0)
                    .help(
                            "Batches that run at the same time in a TaskManager. 0 means one per"
                                    + " core on a CPU; a GPU always runs one.");

    public static final Option<Integer> INTRA_OP_THREADS =
            Option.named("intra-op-threads", ROUTE, INTEGER)
                    .defaultsTo(1)
                    .check("at least 1", value -> value >= 1)
                    .help(
                            "Threads that share a run. Raise it and lower run-threads for faster"
                                    + " answers at a lower rate.");

    public static final Option<Long> CACHE_MAX_BYTES =
            Option.named("cache.max-bytes", ROUTE, BYTES)
                    .defaultsTo(0L)
                    .check("at least 0", value -> value >= 0)
                    .help(
                            "Size of the cache of answers in a TaskManager, for streams with"
                                    + " repeated texts. 0 turns it off.");

    public static final Option<Map<String, String>> PROVIDER_OPTIONS =
            Option.named("provider-options", ROUTE, MAP)
                    .defaultsTo(Map.of())
                    .help(
                            "Options of ONNX Runtime's CUDA provider as name:value with"
                                    + " commas between, such as gpu_mem_limit:2147483648.");

    /** All of them and the decoding options, in the order of their declaration. */
    public static final List<Option<?>> ALL =
            Option.declaredIn(ModelOptions.class, DecodingOptions.class);

    private ModelOptions() {}

    /** Batches that run at the same time where the CPU does the work. */
    public static int cpuRunThreads(Options options) {
        int threads = options.get(RUN_THREADS);
        return threads > 0
                ? threads
                : Math.max(
                        1,
                        Runtime.getRuntime().availableProcessors() / options.get(INTRA_OP_THREADS));
    }

    /**
     * Checks the options against what a bundle's graph can do.
     *
     * @throws IllegalArgumentException if the graph has no input for one of them, or cannot run on
     *     the device
     */
    public static void checkFits(Options options, Manifest manifest) {
        if (!manifest.task().generates()) {
            return;
        }
        GenerationOptions generation = GenerationOptions.of(options, manifest.decoding());
        Set<String> inputs =
                manifest.inputs().stream().map(Manifest.Value::name).collect(Collectors.toSet());
        for (Option<?> option : DecodingOptions.ALL) {
            if (option.neutral() == null
                    || option.graphInput().filter(inputs::contains).isPresent()
                    || option.neutral().equals(generation.get(option))) {
                continue;
            }
            throw new IllegalArgumentException(
                    option
                            + " is "
                            + generation.get(option)
                            + ", but the graph of "
                            + manifest.name()
                            + " has no input "
                            + option.graphInput().orElseThrow()
                            + ". Remove the option, or build the bundle again with"
                            + " 'streamformer-export export --with "
                            + option.exportedWith()
                            + "'.");
        }
    }
}
