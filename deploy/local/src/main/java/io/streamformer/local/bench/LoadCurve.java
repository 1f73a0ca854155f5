package io.streamformer.local.bench;

import java.util.Comparator;
import java.util.List;

/**
 * The loads of one bundle, and what they are held against.
 *
 * @param bundle name, version and variant
 * @param sustained results per second over a topic that is ready
 * @param fullBatchMillis median time of one full batch on the bare session
 * @param points ascending loads, at least once
 */
record LoadCurve(String bundle, double sustained, double fullBatchMillis, List<LoadPoint> points) {

    LoadCurve {
        points = List.copyOf(points);
        if (points.isEmpty() || !(sustained > 0)) {
            throw new IllegalArgumentException(
                    "A curve needs points and a sustained rate, not " + points + ", " + sustained);
        }
    }

    /** The load of several that is nearest to one half. */
    static double half(List<Double> loads) {
        return loads.stream()
                .min(Comparator.comparingDouble(load -> Math.abs(load - 0.5)))
                .orElseThrow();
    }

    /** The point whose load is nearest to one half. */
    LoadPoint atHalf() {
        double half = half(points.stream().map(LoadPoint::load).toList());
        return points.stream().filter(point -> point.load() == half).findFirst().orElseThrow();
    }

    /** The latency at half of the load that all but one in a hundred keep to, in full batches. */
    double p99InFullBatches() {
        return atHalf().p99() / fullBatchMillis;
    }
}
