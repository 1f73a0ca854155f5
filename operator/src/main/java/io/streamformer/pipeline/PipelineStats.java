package io.streamformer.pipeline;

import java.util.concurrent.atomic.LongAdder;
import java.util.function.IntSupplier;

/** Live counters of one shared session: they count for all of its leases together. */
public final class PipelineStats {

    final LongAdder rows = new LongAdder();
    final LongAdder batches = new LongAdder();
    final LongAdder realTokens = new LongAdder();
    final LongAdder paddedTokens = new LongAdder();
    final LongAdder outputTokens = new LongAdder();
    final LongAdder truncated = new LongAdder();
    final LongAdder splits = new LongAdder();
    final LongAdder failures = new LongAdder();
    final LongAdder outOfMemory = new LongAdder();
    final LatencyHistogram queueTime = new LatencyHistogram();
    final LatencyHistogram tokenizeTime = new LatencyHistogram();
    final LatencyHistogram runTime = new LatencyHistogram();
    final LatencyHistogram decodeTime = new LatencyHistogram();

    private final IntSupplier waiting;
    private final IntSupplier inFlight;

    PipelineStats(IntSupplier waiting, IntSupplier inFlight) {
        this.waiting = waiting;
        this.inFlight = inFlight;
    }

    /** Texts answered, windows of a text counted one by one. */
    public long rows() {
        return rows.sum();
    }

    /** Runs that gave answers. */
    public long batches() {
        return batches.sum();
    }

    /** Tokens of the texts that were run. */
    public long realTokens() {
        return realTokens.sum();
    }

    /** Tokens that the device computed: longest text times texts, over all runs. */
    public long paddedTokens() {
        return paddedTokens.sum();
    }

    /** Tokens generated; 0 for a classifier. */
    public long outputTokens() {
        return outputTokens.sum();
    }

    /** Texts that were cut to the model's limit, or whose answer reached its own. */
    public long truncated() {
        return truncated.sum();
    }

    /** Batches that failed and were run again in halves. */
    public long splits() {
        return splits.sum();
    }

    /** Texts that failed, whatever the stage. */
    public long failures() {
        return failures.sum();
    }

    /** Runs for which the device's memory did not suffice. */
    public long outOfMemory() {
        return outOfMemory.sum();
    }

    /** Texts that wait for a run. */
    public int waiting() {
        return waiting.getAsInt();
    }

    /** Texts that are being run. */
    public int inFlight() {
        return inFlight.getAsInt();
    }

    /** From submission to the start of the run, per text. */
    public LatencyHistogram queueTime() {
        return queueTime;
    }

    /** Tokenization, per text. */
    public LatencyHistogram tokenizeTime() {
        return tokenizeTime;
    }

    /** The run itself, per batch. */
    public LatencyHistogram runTime() {
        return runTime;
    }

    /** Model output to predictions, per batch. */
    public LatencyHistogram decodeTime() {
        return decodeTime;
    }
}
