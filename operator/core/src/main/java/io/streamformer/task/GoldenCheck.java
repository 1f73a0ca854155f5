package io.streamformer.task;

import io.streamformer.bundle.BundleException;
import org.apache.flink.annotation.Internal;

/** The tolerance of a variant for the answer to one golden text, and its error messages. */
@Internal
public final class GoldenCheck {

    /** What to do about an answer that differs. */
    public static final String NEXT_STEP =
            "compare with 'streamformer-export verify'; take another variant, or build the bundle"
                    + " again with this release";

    private final String variant;
    private final double tolerance;
    private final String text;

    /**
     * A check.
     *
     * @param tolerance largest difference of two scores
     * @param text the golden text as error messages show it
     */
    public GoldenCheck(String variant, double tolerance, String text) {
        this.variant = variant;
        this.tolerance = tolerance;
        this.text = text;
    }

    /** Refuses a score that differs by more than the tolerance; null is a score that is missing. */
    void close(String what, float wanted, Float actual) {
        if (actual == null || Math.abs(actual - wanted) > tolerance) {
            throw new BundleException(
                    "variant "
                            + variant
                            + " gives "
                            + what
                            + " of "
                            + text
                            + " the score "
                            + wanted
                            + " within "
                            + tolerance,
                    actual == null ? "none" : actual.toString(),
                    NEXT_STEP);
        }
    }

    /** Refuses an answer with another number of values. */
    void sameCount(String what, int wanted, int actual) {
        if (wanted != actual) {
            throw new BundleException(
                    what + " of " + text + " has " + wanted + " numbers",
                    String.valueOf(actual),
                    NEXT_STEP);
        }
    }

    /** Two values as what differs; null where they are equal. */
    static String apart(String actual, String wanted) {
        return actual.equals(wanted) ? null : "'" + actual + "' instead of '" + wanted + "'";
    }
}
