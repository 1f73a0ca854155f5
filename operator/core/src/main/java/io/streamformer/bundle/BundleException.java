package io.streamformer.bundle;

/** A bundle that was refused: the rule it breaks, the value seen and the next step. */
public final class BundleException extends RuntimeException {

    private final String rule;
    private final String seen;
    private final String nextStep;

    public BundleException(String rule, String seen, String nextStep) {
        this(rule, seen, nextStep, null);
    }

    public BundleException(String rule, String seen, String nextStep, Throwable cause) {
        super("Bundle refused: " + rule + ". Seen: " + seen + ". Next step: " + nextStep, cause);
        this.rule = rule;
        this.seen = seen;
        this.nextStep = nextStep;
    }

    /** What every bundle has to fulfil. */
    public String rule() {
        return rule;
    }

    /** What this bundle has instead. */
    public String seen() {
        return seen;
    }

    /** What to do about it. */
    public String nextStep() {
        return nextStep;
    }
}
