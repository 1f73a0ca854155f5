package io.streamformer.local.bench;

import java.util.Locale;

/** What takes turns in a benchmark. */
enum BenchMode {
    RAW("raw ceiling"),
    END_TO_END("end to end"),
    KEY_ORDER("order of keys only"),
    NO_ORDER("no order"),
    SINGLE("batches of one"),
    MAP("one call at a time");

    private final String label;

    BenchMode(String label) {
        this.label = label;
    }

    String label() {
        return label;
    }

    /** What {@code --only} calls it, such as {@code end-to-end}. */
    String option() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
}
