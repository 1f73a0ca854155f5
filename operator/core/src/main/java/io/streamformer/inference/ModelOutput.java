package io.streamformer.inference;

import java.util.Map;
import java.util.TreeMap;
import org.apache.flink.annotation.Internal;

/**
 * What one run of a model gave for all rows of its batch: the graph's outputs by name, each as one
 * array in row-major order with its shape.
 */
@Internal
public final class ModelOutput {

    @SuppressWarnings("ArrayRecordComponent") // handed over once, never compared
    private record Tensor(Object values, long[] shape) {}

    private final Map<String, Tensor> tensors = new TreeMap<>();

    /** Adds an output of 32-bit floats. The array is kept, not copied. */
    public ModelOutput with(String name, float[] values, long... shape) {
        tensors.put(name, new Tensor(values, shape));
        return this;
    }

    /** Adds an output of 64-bit integers. The array is kept, not copied. */
    public ModelOutput with(String name, long[] values, long... shape) {
        tensors.put(name, new Tensor(values, shape));
        return this;
    }

    /** True where the graph has an output of this name. */
    public boolean has(String name) {
        return tensors.containsKey(name);
    }

    /** The numbers of an output; not to be changed. */
    public float[] floats(String name) {
        return (float[]) find(name).values();
    }

    /** The integers of an output; not to be changed. */
    public long[] longs(String name) {
        return (long[]) find(name).values();
    }

    /** The length of one axis of an output. */
    public int axis(String name, int axis) {
        return (int) find(name).shape()[axis];
    }

    private Tensor find(String name) {
        Tensor tensor = tensors.get(name);
        if (tensor == null) {
            throw new IllegalStateException(
                    "The graph has no output "
                            + name
                            + ", only "
                            + tensors.keySet()
                            + ". The check of the graph should have found that: this is a bug.");
        }
        return tensor;
    }
}
