package io.streamformer.local;

/** What takes turns in a benchmark. */
enum BenchMode {
    RAW("raw ceiling"),
    END_TO_END("end to end"),
    SINGLE("one call per record");

    private final String label;

    BenchMode(String label) {
        this.label = label;
    }

    String label() {
        return label;
    }
}
