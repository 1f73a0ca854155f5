package io.streamformer.local.bench;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;

/**
 * What many records showed.
 *
 * @param tenths results per second in each tenth of the results; the first warmed up
 * @param warm kilobytes resident when the first tenth had arrived
 * @param end kilobytes resident when the job ended
 * @param most kilobytes resident at the most, after the first tenth
 */
record Soak(List<Double> tenths, long warm, long end, long most) {

    Soak {
        tenths = List.copyOf(tenths);
        if (tenths.size() != 10 || warm <= 0 || end <= 0 || most < end) {
            throw new IllegalArgumentException(
                    "There must be ten tenths and memory above 0, not "
                            + tenths
                            + " and "
                            + List.of(warm, end, most));
        }
    }

    /** Throughput and memory of a job that has ended. */
    static Soak of(ResultTimes times, List<ResidentMemory.Sample> samples) {
        long warmAt = times.millisAt(0.1);
        List<ResidentMemory.Sample> counted =
                samples.stream().filter(sample -> sample.millis() >= warmAt).toList();
        if (counted.isEmpty()) {
            throw new IllegalStateException(
                    "Memory was not sampled after the first tenth of the results: take"
                            + " more --records");
        }
        return new Soak(
                times.tenths(),
                counted.get(0).kilobytes(),
                counted.get(counted.size() - 1).kilobytes(),
                counted.stream().mapToLong(ResidentMemory.Sample::kilobytes).max().orElseThrow());
    }

    /** The last tenth's throughput as a share of the first's after the warm-up. */
    double lastOfFirst() {
        return tenths.get(9) / tenths.get(1);
    }

    /** What memory grew by, as a share of what it was after the warm-up. */
    double growth(long kilobytes) {
        return (double) kilobytes / warm - 1;
    }

    void write(ObjectNode node) {
        ArrayNode array = node.putArray("tenths_per_second");
        tenths.forEach(array::add);
        node.put("last_of_first_tenth", lastOfFirst())
                .put("resident_warm_kb", warm)
                .put("resident_end_kb", end)
                .put("resident_most_kb", most)
                .put("growth_at_end", growth(end))
                .put("growth_at_most", growth(most));
    }
}
