package io.streamformer.task;

import org.apache.flink.annotation.Internal;

/** About how many bytes of heap values take. */
@Internal
public final class HeapBytes {

    /** An object, or an element of a list, besides its characters. */
    public static final int OBJECT = 64;

    private HeapBytes() {}

    /** A text; 0 for null. */
    public static int of(String text) {
        return text == null ? 0 : OBJECT + text.length() * Character.BYTES;
    }
}
