package io.streamformer.batch;

/**
 * What a run takes, learned from runs: a time of its own, and a time for each padded token. The
 * line through the recent runs, by least squares whose weights halve with every 44 runs. Plain data
 * without locks.
 */
final class RunCost {

    private static final double NEWEST = 1.0 / 64;

    /** Where runs were all of about one size, so that nothing can be told apart. */
    private static final double FIRST_GUESS = 32;

    /** Runs tell something where their sizes differ by this share of the mean, root mean square. */
    private static final double LEAST_SPREAD = 0.1;

    private long runs;
    private double tokens;
    private double nanos;
    private double tokensTokens;
    private double tokensNanos;
    private double fixedTokens = FIRST_GUESS;

    void ran(long runNanos, int runTokens) {
        runs++;
        double weight = Math.max(NEWEST, 1.0 / runs);
        tokens += weight * (runTokens - tokens);
        nanos += weight * (runNanos - nanos);
        tokensTokens += weight * ((double) runTokens * runTokens - tokensTokens);
        tokensNanos += weight * ((double) runTokens * runNanos - tokensNanos);
        double spread = tokensTokens - tokens * tokens;
        if (spread > LEAST_SPREAD * LEAST_SPREAD * tokens * tokens) {
            double slope = (tokensNanos - tokens * nanos) / spread;
            // Where a larger run takes no longer, a batch may be as large as it can.
            fixedTokens = slope > 0 ? Math.max(0, nanos / slope - tokens) : Double.MAX_VALUE;
        }
    }

    /** What a run takes by itself, as the number of tokens that take as long. */
    double fixedTokens() {
        return fixedTokens;
    }

    /** What a run of the usual size takes; 0 before the first. */
    long nanos() {
        return (long) nanos;
    }

    /** The padded tokens of a run that takes this long; all there can be before the first run. */
    int tokensWithin(long wanted) {
        if (runs == 0 || fixedTokens == Double.MAX_VALUE) {
            return Integer.MAX_VALUE;
        }
        double nanosPerToken = nanos / (tokens + fixedTokens);
        return (int) Math.max(0, wanted / nanosPerToken - fixedTokens);
    }
}
