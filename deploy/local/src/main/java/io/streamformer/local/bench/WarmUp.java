package io.streamformer.local.bench;

/**
 * The first results of a turn, which are not counted: a fifth of all, and twice what the job has
 * under way where that is more.
 *
 * <p>What gathers while a job starts leaves at once: counted, it would pass for speed. A turn that
 * has hardly more than that cannot say how fast the job is.
 *
 * @param results how many they are
 * @param tooShort whether the turn has too few results to leave out what had gathered
 */
record WarmUp(int results, boolean tooShort) {

    private static final double SHARE = 0.2;
    private static final int TIMES_UNDER_WAY = 2;
    private static final int SHORTEST_TURN = 4;

    /**
     * The warm-up of a turn.
     *
     * @param results of the whole turn
     * @param underWay most results that the job may hold back at a time
     */
    static WarmUp of(int results, int underWay) {
        int share = (int) Math.round(results * SHARE);
        return results < leastResults(underWay)
                ? new WarmUp(share, true)
                : new WarmUp(Math.max(share, TIMES_UNDER_WAY * underWay), false);
    }

    /** Results of the shortest turn that says how fast a job is. */
    static int leastResults(int underWay) {
        return SHORTEST_TURN * underWay;
    }
}
