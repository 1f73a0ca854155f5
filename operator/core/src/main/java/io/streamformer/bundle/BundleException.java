package io.streamformer.bundle;

import org.apache.flink.annotation.Public;

/** A bundle that was refused: the rule it breaks, the value found and the next step. */
@Public
public final class BundleException extends RuntimeException {

    private final String rule;
    private final String found;
    private final String nextStep;

    public BundleException(String rule, String found, String nextStep) {
        this(rule, found, nextStep, null);
    }

    public BundleException(String rule, String found, String nextStep, Throwable cause) {
        super(
                "Invalid bundle. Rule: "
                        + rule
                        + ". Found: "
                        + found
                        + ". Next step: "
                        + nextStep
                        + ".",
                cause);
        this.rule = rule;
        this.found = found;
        this.nextStep = nextStep;
    }

    /** What every bundle has to fulfil. */
    public String rule() {
        return rule;
    }

    /** What this bundle has instead. */
    public String found() {
        return found;
    }

    /** What to do about it. */
    public String nextStep() {
        return nextStep;
    }
}
