package io.streamformer.pipeline;

import io.streamformer.inference.Device;
import io.streamformer.inference.GenerationOptions;
import java.io.Serializable;
import java.time.Duration;
import java.util.Map;
import java.util.TreeMap;

/**
 * How a bundle is run. Leases of one bundle with equal options share one session.
 *
 * @param variant the graph to run, such as {@code fp32} or {@code int8}; null takes the bundle's
 *     default
 * @param device {@code auto} takes a GPU where there is one; name {@code cuda:N} where nothing else
 *     will do
 * @param maxBatchRows most texts in one run; more helps a GPU, on a CPU 32 is enough
 * @param maxBatchTokens most padded tokens (longest text times texts) in one run; bounds memory and
 *     the time of a run
 * @param maxDelay longest time a text waits for neighbours while the device is busy; an idle device
 *     takes what is there
 * @param runThreads batches that run at the same time; 0 takes one per core on a CPU and always one
 *     on a GPU
 * @param intraOpThreads threads that share one run; several runs of one thread each beat one run of
 *     several
 * @param numBeams beams of a generating model, 1 is greedy; null takes the bundle's default
 * @param lengthPenalty exponent of the length in a hypothesis' score; null takes the bundle's
 *     default
 * @param maxNewTokens upper bound of generated tokens; null takes the bundle's default
 * @param providerOptions options passed on to ONNX Runtime's CUDA provider, by its own names
 */
public record PipelineOptions(
        String variant,
        Device device,
        int maxBatchRows,
        int maxBatchTokens,
        Duration maxDelay,
        int runThreads,
        int intraOpThreads,
        Integer numBeams,
        Float lengthPenalty,
        Integer maxNewTokens,
        Map<String, String> providerOptions)
        implements Serializable {

    private static final PipelineOptions DEFAULTS =
            new PipelineOptions(
                    null,
                    Device.AUTO,
                    32,
                    4096,
                    Duration.ofMillis(3),
                    0,
                    1,
                    null,
                    null,
                    null,
                    Map.of());

    public PipelineOptions {
        check(maxBatchRows >= 1, "maxBatchRows is at least 1", maxBatchRows);
        check(maxBatchTokens >= 1, "maxBatchTokens is at least 1", maxBatchTokens);
        check(
                !maxDelay.isNegative() && maxDelay.compareTo(Duration.ofMinutes(1)) <= 0,
                "maxDelay is 0 to 1 minute",
                maxDelay);
        check(runThreads >= 0, "runThreads is at least 0", runThreads);
        check(intraOpThreads >= 1, "intraOpThreads is at least 1", intraOpThreads);
        check(
                numBeams == null || (numBeams >= 1 && numBeams <= 16),
                "numBeams is 1 to 16",
                numBeams);
        check(
                lengthPenalty == null || Float.isFinite(lengthPenalty),
                "lengthPenalty is a finite number",
                lengthPenalty);
        check(
                maxNewTokens == null || maxNewTokens >= 1,
                "maxNewTokens is at least 1",
                maxNewTokens);
        // A TreeMap can be serialized whatever the JDK, and prints in a fixed order.
        providerOptions = new TreeMap<>(providerOptions);
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

    /** A bundle's decoding defaults with what is set here in their place. */
    GenerationOptions generation(GenerationOptions defaults) {
        check(
                maxNewTokens == null || maxNewTokens <= defaults.maxNewTokens(),
                "maxNewTokens is at most the bundle's " + defaults.maxNewTokens(),
                maxNewTokens);
        return new GenerationOptions(
                numBeams == null ? defaults.numBeams() : numBeams,
                lengthPenalty == null ? defaults.lengthPenalty() : lengthPenalty,
                defaults.minNewTokens(),
                maxNewTokens == null ? defaults.maxNewTokens() : maxNewTokens,
                defaults.maxLengthFactor(),
                defaults.maxLengthOffset());
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
        private int runThreads;
        private int intraOpThreads;
        private Integer numBeams;
        private Float lengthPenalty;
        private Integer maxNewTokens;
        private Map<String, String> providerOptions;

        private Builder(PipelineOptions from) {
            variant = from.variant;
            device = from.device;
            maxBatchRows = from.maxBatchRows;
            maxBatchTokens = from.maxBatchTokens;
            maxDelay = from.maxDelay;
            runThreads = from.runThreads;
            intraOpThreads = from.intraOpThreads;
            numBeams = from.numBeams;
            lengthPenalty = from.lengthPenalty;
            maxNewTokens = from.maxNewTokens;
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
                    runThreads,
                    intraOpThreads,
                    numBeams,
                    lengthPenalty,
                    maxNewTokens,
                    providerOptions);
        }
    }
}
