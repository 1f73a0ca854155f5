package io.streamformer.local.bench;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/**
 * When the results of a job arrived at the broker, by its clock, and how many tokens they count: 8
 * bytes a result, so that a million of them are no burden.
 */
final class ResultTimes {

    private final long[] millis;
    private final long inputTokens;
    private final long outputTokens;

    /**
     * Times of results.
     *
     * @param millis one per result, in any order
     * @param inputTokens tokens read for all results
     * @param outputTokens tokens written for all results
     */
    ResultTimes(long[] millis, long inputTokens, long outputTokens) {
        if (millis.length < 2) {
            throw new IllegalArgumentException(
                    "A rate needs at least two results, not " + millis.length);
        }
        this.millis = millis.clone();
        Arrays.sort(this.millis);
        this.inputTokens = inputTokens;
        this.outputTokens = outputTokens;
    }

    int count() {
        return millis.length;
    }

    /** The time at which a share of all results had arrived. */
    long millisAt(double share) {
        return millis[index(share)];
    }

    /** The results after those that only warmed up. */
    Turn after(WarmUp warmUp, DeviceWork work) {
        int texts = millis.length - warmUp.results();
        // The tokens of all results, in proportion: the texts are mixed.
        double share = (double) texts / millis.length;
        return new Turn(
                texts,
                Math.max(1, millisAt(1) - millis[warmUp.results()]) / 1e3,
                Math.round(inputTokens * share),
                Math.round(outputTokens * share),
                work,
                warmUp.tooShort());
    }

    /** All results, from a time before the first of them. */
    Turn since(long began, DeviceWork work) {
        double seconds = Math.max(1, millisAt(1) - began) / 1e3;
        return new Turn(millis.length, seconds, inputTokens, outputTokens, work, false);
    }

    /** Results per second in each tenth of the results. */
    List<Double> tenths() {
        return IntStream.range(0, 10)
                .mapToObj(tenth -> rate(tenth / 10.0, (tenth + 1) / 10.0))
                .toList();
    }

    private double rate(double from, double to) {
        return (index(to) - index(from)) / seconds(from, to);
    }

    private double seconds(double from, double to) {
        return Math.max(1, millisAt(to) - millisAt(from)) / 1e3;
    }

    private int index(double share) {
        return Math.min(millis.length - 1, (int) Math.round(millis.length * share));
    }
}
