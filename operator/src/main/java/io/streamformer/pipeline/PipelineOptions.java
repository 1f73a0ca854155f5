package io.streamformer.pipeline;

import io.streamformer.bundle.Manifest;
import io.streamformer.inference.Device;
import io.streamformer.inference.GenerationOptions;
import java.io.Serializable;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * How a bundle is run. Leases of one bundle with equal options share one session.
 *
 * @param variant the graph to run, such as {@code fp32} or {@code int8}; null takes the bundle's
 *     default
 * @param device {@code auto} takes a GPU where there is one; name {@code cuda:N} where nothing else
 *     will do, several GPUs as {@code cuda:N,M}
 * @param maxBatchRows most texts in one run; more helps a GPU, on a CPU 32 is enough
 * @param maxBatchTokens most padded tokens (longest text times texts) in one run; bounds memory and
 *     the time of a run
 * @param maxDelay longest time a text waits for neighbours while the device is busy; an idle device
 *     takes what is there
 * @param maxBatchTime longest time that one run may take, as far as earlier ones tell; zero for any
 * @param runThreads batches that run at the same time; 0 takes one per core on a CPU; always one on
 *     each GPU
 * @param intraOpThreads threads that share one run; several runs of one thread each beat one run of
 *     several
 * @param numBeams beams of a generating model, 1 is greedy; null takes the bundle's default
 * @param numReturnSequences texts to answer with, the best and the next best ones; at most the
 *     beams
 * @param lengthPenalty exponent of the length in a hypothesis' score; null takes the bundle's
 *     default
 * @param minNewTokens least generated tokens; null takes the bundle's default
 * @param maxNewTokens upper bound of generated tokens; null takes the bundle's default
 * @param repetitionPenalty how much less likely tokens become that were there already, 1 is none;
 *     null takes the bundle's default
 * @param noRepeatNgramSize longest run of tokens that may come twice, plus one, 0 is none; null
 *     takes the bundle's default
 * @param suppressTokens ids that are never generated
 * @param temperature above 0 the model samples, with one beam; null takes the bundle's default
 * @param topK most likely tokens that are sampled from, 0 is all; null takes the bundle's default
 * @param topP share of probability that is sampled from, 1 is all; null takes the bundle's default
 * @param cacheBytes size of the cache of answers; 0 is none
 * @param providerOptions options passed on to ONNX Runtime's CUDA or TensorRT provider, by its own
 *     names
 */
public record PipelineOptions(
        String variant,
        Device device,
        int maxBatchRows,
        int maxBatchTokens,
        Duration maxDelay,
        Duration maxBatchTime,
        int runThreads,
        int intraOpThreads,
        Integer numBeams,
        int numReturnSequences,
        Float lengthPenalty,
        Integer minNewTokens,
        Integer maxNewTokens,
        Float repetitionPenalty,
        Integer noRepeatNgramSize,
        List<Integer> suppressTokens,
        Float temperature,
        Integer topK,
        Float topP,
        long cacheBytes,
        Map<String, String> providerOptions)
        implements Serializable {

    /** Inputs that a graph has together, by what an export calls them. */
    private static final Map<String, String> SAMPLING =
            Map.of("temperature", "sampling", "top_k", "sampling", "top_p", "sampling");

    private static final PipelineOptions DEFAULTS =
            new PipelineOptions(
                    null,
                    Device.AUTO,
                    32,
                    4096,
                    Duration.ofMillis(3),
                    Duration.ZERO,
                    0,
                    1,
                    null,
                    1,
                    null,
                    null,
                    null,
                    null,
                    null,
                    List.of(),
                    null,
                    null,
                    null,
                    0,
                    Map.of());

    public PipelineOptions {
        check(maxBatchRows >= 1, "maxBatchRows is at least 1", maxBatchRows);
        check(maxBatchTokens >= 1, "maxBatchTokens is at least 1", maxBatchTokens);
        check(
                !maxDelay.isNegative() && maxDelay.compareTo(Duration.ofMinutes(1)) <= 0,
                "maxDelay is 0 to 1 minute",
                maxDelay);
        check(!maxBatchTime.isNegative(), "maxBatchTime is not negative", maxBatchTime);
        check(runThreads >= 0, "runThreads is at least 0", runThreads);
        check(intraOpThreads >= 1, "intraOpThreads is at least 1", intraOpThreads);
        check(
                numBeams == null || (numBeams >= 1 && numBeams <= 16),
                "numBeams is 1 to 16",
                numBeams);
        check(
                numReturnSequences >= 1 && numReturnSequences <= 16,
                "numReturnSequences is 1 to 16",
                numReturnSequences);
        check(
                lengthPenalty == null || Float.isFinite(lengthPenalty),
                "lengthPenalty is a finite number",
                lengthPenalty);
        check(
                maxNewTokens == null || maxNewTokens >= 1,
                "maxNewTokens is at least 1",
                maxNewTokens);
        check(
                minNewTokens == null || minNewTokens >= 0,
                "minNewTokens is at least 0",
                minNewTokens);
        check(
                repetitionPenalty == null
                        || (repetitionPenalty > 0 && Float.isFinite(repetitionPenalty)),
                "repetitionPenalty is a number above 0",
                repetitionPenalty);
        check(
                noRepeatNgramSize == null || noRepeatNgramSize >= 0,
                "noRepeatNgramSize is at least 0",
                noRepeatNgramSize);
        check(
                suppressTokens.stream().allMatch(id -> id >= 0),
                "suppressTokens are ids, at least 0",
                suppressTokens);
        check(
                temperature == null || (temperature >= 0 && Float.isFinite(temperature)),
                "temperature is a number of at least 0",
                temperature);
        check(topK == null || topK >= 0, "topK is at least 0", topK);
        check(topP == null || (topP > 0 && topP <= 1), "topP is above 0 and at most 1", topP);
        check(cacheBytes >= 0, "cacheBytes is at least 0", cacheBytes);
        suppressTokens = List.copyOf(suppressTokens);
        // A TreeMap can be serialized whatever the JDK, and prints in a fixed order.
        providerOptions = new TreeMap<>(providerOptions);
    }

    /** Batches that run at the same time where the CPU does the work. */
    public int cpuRunThreads() {
        return runThreads > 0
                ? runThreads
                : Math.max(1, Runtime.getRuntime().availableProcessors() / intraOpThreads);
    }

    /** The options that suit most jobs. */
    public static PipelineOptions defaults() {
        return DEFAULTS;
    }

    public static Builder builder() {
        return DEFAULTS.toBuilder();
    }

    public Builder toBuilder() {
        return new Builder(this);
    }

    /**
     * Holds the options against what a bundle's graph can do.
     *
     * @throws IllegalArgumentException if the graph has no input for one of them, or cannot run on
     *     the device
     */
    public void checkFits(Manifest manifest) {
        if (!manifest.task().generates()) {
            return;
        }
        check(
                device.provider() != Device.Provider.TENSORRT,
                "TensorRT runs encoders, and "
                        + manifest.name()
                        + " generates: set the device to cuda:N",
                device);
        GenerationOptions generation = generation(GenerationOptions.of(manifest.decoding()));
        Map<String, Boolean> wanted = new TreeMap<>();
        wanted.put("repetition_penalty", generation.repetitionPenalty() != 1);
        wanted.put("no_repeat_ngram_size", generation.noRepeatNgramSize() > 0);
        wanted.put("suppress_tokens", !suppressTokens.isEmpty());
        wanted.put("temperature", generation.temperature() > 0);
        wanted.put("top_k", generation.topK() > 0);
        wanted.put("top_p", generation.topP() < 1);
        Set<String> inputs = new TreeSet<>();
        manifest.inputs().forEach(input -> inputs.add(input.name()));
        wanted.forEach(
                (option, isWanted) ->
                        check(
                                !isWanted || inputs.contains(option),
                                "the option "
                                        + option
                                        + " needs a graph that has it as an input: leave it out,"
                                        + " or build "
                                        + manifest.name()
                                        + " again with 'streamformer-export export --with "
                                        + SAMPLING.getOrDefault(option, option)
                                        + "'",
                                inputs));
    }

    /** A bundle's decoding defaults with what is set here in their place. */
    public GenerationOptions generation(GenerationOptions defaults) {
        check(
                maxNewTokens == null || maxNewTokens <= defaults.maxNewTokens(),
                "maxNewTokens is at most the bundle's " + defaults.maxNewTokens(),
                maxNewTokens);
        float heat = temperature == null ? defaults.temperature() : temperature;
        // Who asks for samples need not ask for the one beam that they are drawn with.
        int beams = numBeams != null ? numBeams : heat > 0 ? 1 : defaults.numBeams();
        return new GenerationOptions(
                beams,
                numReturnSequences,
                lengthPenalty == null ? defaults.lengthPenalty() : lengthPenalty,
                minNewTokens == null ? defaults.minNewTokens() : minNewTokens,
                minNewTokens == null ? defaults.minTotalTokens() : null,
                maxNewTokens == null ? defaults.maxNewTokens() : maxNewTokens,
                defaults.maxTotalTokens(),
                defaults.maxLengthFactor(),
                defaults.maxLengthOffset(),
                repetitionPenalty == null ? defaults.repetitionPenalty() : repetitionPenalty,
                noRepeatNgramSize == null ? defaults.noRepeatNgramSize() : noRepeatNgramSize,
                suppressTokens,
                heat,
                topK == null ? defaults.topK() : topK,
                topP == null ? defaults.topP() : topP);
    }

    private static void check(boolean holds, String rule, Object seen) {
        if (!holds) {
            throw new IllegalArgumentException(rule + ", seen " + seen);
        }
    }

    /** Collects options; what is not set keeps its default. */
    public static final class Builder {
        private String variant;
        private Device device;
        private int maxBatchRows;
        private int maxBatchTokens;
        private Duration maxDelay;
        private Duration maxBatchTime;
        private int runThreads;
        private int intraOpThreads;
        private Integer numBeams;
        private int numReturnSequences;
        private Float lengthPenalty;
        private Integer minNewTokens;
        private Integer maxNewTokens;
        private Float repetitionPenalty;
        private Integer noRepeatNgramSize;
        private List<Integer> suppressTokens;
        private Float temperature;
        private Integer topK;
        private Float topP;
        private long cacheBytes;
        private Map<String, String> providerOptions;

        private Builder(PipelineOptions from) {
            variant = from.variant;
            device = from.device;
            maxBatchRows = from.maxBatchRows;
            maxBatchTokens = from.maxBatchTokens;
            maxDelay = from.maxDelay;
            maxBatchTime = from.maxBatchTime;
            runThreads = from.runThreads;
            intraOpThreads = from.intraOpThreads;
            numBeams = from.numBeams;
            numReturnSequences = from.numReturnSequences;
            lengthPenalty = from.lengthPenalty;
            minNewTokens = from.minNewTokens;
            maxNewTokens = from.maxNewTokens;
            repetitionPenalty = from.repetitionPenalty;
            noRepeatNgramSize = from.noRepeatNgramSize;
            suppressTokens = from.suppressTokens;
            temperature = from.temperature;
            topK = from.topK;
            topP = from.topP;
            cacheBytes = from.cacheBytes;
            providerOptions = from.providerOptions;
        }

        public Builder variant(String value) {
            variant = value;
            return this;
        }

        public Builder device(Device value) {
            device = value;
            return this;
        }

        public Builder maxBatchRows(int value) {
            maxBatchRows = value;
            return this;
        }

        public Builder maxBatchTokens(int value) {
            maxBatchTokens = value;
            return this;
        }

        public Builder maxDelay(Duration value) {
            maxDelay = value;
            return this;
        }

        public Builder maxBatchTime(Duration value) {
            maxBatchTime = value;
            return this;
        }

        public Builder runThreads(int value) {
            runThreads = value;
            return this;
        }

        public Builder intraOpThreads(int value) {
            intraOpThreads = value;
            return this;
        }

        public Builder numBeams(Integer value) {
            numBeams = value;
            return this;
        }

        public Builder lengthPenalty(Float value) {
            lengthPenalty = value;
            return this;
        }

        public Builder maxNewTokens(Integer value) {
            maxNewTokens = value;
            return this;
        }

        public Builder numReturnSequences(int value) {
            numReturnSequences = value;
            return this;
        }

        public Builder minNewTokens(Integer value) {
            minNewTokens = value;
            return this;
        }

        public Builder repetitionPenalty(Float value) {
            repetitionPenalty = value;
            return this;
        }

        public Builder noRepeatNgramSize(Integer value) {
            noRepeatNgramSize = value;
            return this;
        }

        public Builder suppressTokens(List<Integer> value) {
            suppressTokens = value;
            return this;
        }

        public Builder temperature(Float value) {
            temperature = value;
            return this;
        }

        public Builder topK(Integer value) {
            topK = value;
            return this;
        }

        public Builder topP(Float value) {
            topP = value;
            return this;
        }

        public Builder cacheBytes(long value) {
            cacheBytes = value;
            return this;
        }

        public Builder providerOptions(Map<String, String> value) {
            providerOptions = value;
            return this;
        }

        public PipelineOptions build() {
            return new PipelineOptions(
                    variant,
                    device,
                    maxBatchRows,
                    maxBatchTokens,
                    maxDelay,
                    maxBatchTime,
                    runThreads,
                    intraOpThreads,
                    numBeams,
                    numReturnSequences,
                    lengthPenalty,
                    minNewTokens,
                    maxNewTokens,
                    repetitionPenalty,
                    noRepeatNgramSize,
                    suppressTokens,
                    temperature,
                    topK,
                    topP,
                    cacheBytes,
                    providerOptions);
        }
    }
}
