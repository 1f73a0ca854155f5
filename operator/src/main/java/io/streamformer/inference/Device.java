package io.streamformer.inference;

import java.io.Serializable;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Where a model runs: {@code auto}, {@code cpu} or {@code cuda:N}.
 *
 * @param cuda whether a CUDA device is asked for
 * @param index index of the CUDA device; 0 for the CPU
 * @param required whether to fail where the device is not there; otherwise the CPU does the work
 */
public record Device(boolean cuda, int index, boolean required) implements Serializable {

    /** A CUDA device where there is one, the CPU otherwise. */
    public static final Device AUTO = new Device(true, 0, false);

    public static final Device CPU = new Device(false, 0, true);

    private static final Pattern CUDA = Pattern.compile("cuda(?::(\\d{1,4}))?");

    public Device {
        if (index < 0) {
            throw new IllegalArgumentException(
                    "the index of a CUDA device is at least 0, seen " + index);
        }
    }

    /** The CUDA device of this index, and no other. */
    public static Device cuda(int index) {
        return new Device(true, index, true);
    }

    /** Reads {@code auto}, {@code cpu}, {@code cuda} or {@code cuda:N}. */
    public static Device parse(String text) {
        if (text.equals("auto")) {
            return AUTO;
        }
        if (text.equals("cpu")) {
            return CPU;
        }
        Matcher matcher = CUDA.matcher(text);
        if (!matcher.matches()) {
            throw new IllegalArgumentException(
                    "device is auto, cpu or cuda:N, seen '" + text + "'");
        }
        return cuda(matcher.group(1) == null ? 0 : Integer.parseInt(matcher.group(1)));
    }

    @Override
    public String toString() {
        if (!cuda) {
            return "cpu";
        }
        return required ? "cuda:" + index : "auto";
    }
}
