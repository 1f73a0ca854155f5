package io.streamformer.inference;

import java.io.Serializable;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.apache.flink.annotation.Public;

/**
 * Where a model runs: {@code auto}, {@code cpu}, or one or several GPUs as {@code cuda:N,M}.
 *
 * @param provider ONNX Runtime's execution provider
 * @param indexes indexes of the GPUs, each with a session of its own; none for the CPU
 * @param required whether to fail where a GPU is not there; otherwise the CPU does the work
 */
@Public
public record Device(Provider provider, List<Integer> indexes, boolean required)
        implements Serializable {

    /** Who computes. */
    public enum Provider {
        CPU,
        CUDA
    }

    /** A CUDA device where there is one, the CPU otherwise. */
    public static final Device AUTO = new Device(Provider.CUDA, List.of(0), false);

    public static final Device CPU = new Device(Provider.CPU, List.of(), true);

    private static final Pattern GPUS = Pattern.compile("cuda(?::(\\d{1,4}(?:,\\d{1,4})*))?");

    public Device {
        indexes = List.copyOf(indexes);
        if ((provider == Provider.CPU) != indexes.isEmpty()) {
            throw new IllegalArgumentException(
                    "A GPU needs an index and a CPU has none, but this is "
                            + provider
                            + " "
                            + indexes);
        }
        if (indexes.stream().anyMatch(index -> index < 0)
                || indexes.stream().distinct().count() < indexes.size()) {
            throw new IllegalArgumentException(
                    "The indexes of GPUs must differ and be at least 0, but they are " + indexes);
        }
    }

    /** The CUDA device of this index, and no other. */
    public static Device cuda(int index) {
        return new Device(Provider.CUDA, List.of(index), true);
    }

    /**
     * Reads {@code auto}, {@code cpu} or {@code cuda}, the last with the indexes of GPUs, such as
     * {@code cuda:0,1}; without any it is the first GPU.
     */
    public static Device parse(String text) {
        if (text.equals("auto")) {
            return AUTO;
        }
        if (text.equals("cpu")) {
            return CPU;
        }
        Matcher matcher = GPUS.matcher(text);
        if (!matcher.matches()) {
            throw new IllegalArgumentException(
                    "The device is '"
                            + text
                            + "'. Give auto, cpu or cuda:N, with commas between several"
                            + " GPUs.");
        }
        String indexes = matcher.group(1) == null ? "0" : matcher.group(1);
        return new Device(
                Provider.CUDA,
                Arrays.stream(indexes.split(",")).map(Integer::valueOf).toList(),
                true);
    }

    /** True where the work is meant for a GPU. */
    public boolean gpu() {
        return provider != Provider.CPU;
    }

    /** One device for each session: each GPU alone, or the CPU. */
    public List<Device> each() {
        return gpu() ? indexes.stream().map(Device::cuda).toList() : List.of(this);
    }

    @Override
    public String toString() {
        if (!gpu()) {
            return "cpu";
        }
        if (equals(AUTO)) {
            return "auto";
        }
        return "cuda:" + indexes.stream().map(String::valueOf).collect(Collectors.joining(","));
    }
}
