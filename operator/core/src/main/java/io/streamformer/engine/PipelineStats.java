package io.streamformer.engine;

import io.streamformer.batch.Priority;
import java.util.concurrent.atomic.LongAdder;
import org.apache.flink.annotation.Internal;

/** Live counters of one shared session: they count for all of its leases together. */
@Internal
public final class PipelineStats {

    final LongAdder rows = new LongAdder();
    final LongAdder batches = new LongAdder();
    final LongAdder realTokens = new LongAdder();
    final LongAdder paddedTokens = new LongAdder();
    final LongAdder outputTokens = new LongAdder();
    final LongAdder truncated = new LongAdder();
    final LongAdder splits = new LongAdder();
    final LongAdder retries = new LongAdder();
    final LongAdder cacheHits = new LongAdder();
    final LongAdder cacheMisses = new LongAdder();
    final LongAdder failures = new LongAdder();
    final LongAdder outOfMemory = new LongAdder();
    final LatencyHistogram queueTime = new LatencyHistogram();
    final LatencyHistogram tokenizeTime = new LatencyHistogram();
    final LatencyHistogram runTime = new LatencyHistogram();
    final LatencyHistogram decodeTime = new LatencyHistogram();

    private final Queue queue;

    /** What the queue says of itself at this moment. */
    interface Queue {
        int waiting(Priority priority);

        int inFlight();

        int tokenCeiling();

        long oldestRunNanos();
    }

    PipelineStats(Queue queue) {
        this.queue = queue;
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

    /** Texts that failed alone through no fault of theirs and were tried again. */
    public long retries() {
        return retries.sum();
    }

    /** Texts that were answered out of the cache, without a run. */
    public long cacheHits() {
        return cacheHits.sum();
    }

    /** Texts that were not in the cache; 0 where there is none. */
    public long cacheMisses() {
        return cacheMisses.sum();
    }

    /** Texts that wait for a run. */
    public int waiting() {
        int waiting = 0;
        for (Priority priority : Priority.values()) {
            waiting += waiting(priority);
        }
        return waiting;
    }

    /** Texts of a priority that wait for a run. */
    public int waiting(Priority priority) {
        return queue.waiting(priority);
    }

    /** Texts that are being run. */
    public int inFlight() {
        return queue.inFlight();
    }

    /** Tokens that a batch of the longest texts may cost, as far as runs have shown. */
    public int tokenCeiling() {
        return queue.tokenCeiling();
    }

    /** How long the oldest run has taken so far; 0 for none. */
    public long oldestRunNanos() {
        return queue.oldestRunNanos();
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
