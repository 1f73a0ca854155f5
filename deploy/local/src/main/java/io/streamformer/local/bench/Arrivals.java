package io.streamformer.local.bench;

import java.util.Random;

/**
 * The times at which events come: as of many people who know nothing of each other (a Poisson
 * process), the same in each run.
 */
final class Arrivals {

    private final double nanosBetween;
    private final Random random = new Random(1);
    private double at;

    Arrivals(double perSecond) {
        if (!(perSecond > 0)) {
            throw new IllegalArgumentException("A rate must be more than 0, not " + perSecond);
        }
        this.nanosBetween = 1e9 / perSecond;
    }

    /** Nanoseconds from the start until the next event. */
    long next() {
        at -= Math.log(1 - random.nextDouble()) * nanosBetween;
        return (long) at;
    }
}
