package io.streamformer.local.bench;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.streamformer.engine.InferencePipeline;
import io.streamformer.engine.PipelineStats;
import java.util.Collection;

/**
 * What the sessions of a measurement have computed.
 *
 * @param rows texts that were run, windows of a text counted one by one
 * @param batches runs that answered them
 * @param paddedTokens tokens as the device computed them: longest text times texts
 * @param realTokens the tokens that are no padding
 */
record DeviceWork(long rows, long batches, long paddedTokens, long realTokens) {

    static final DeviceWork NONE = new DeviceWork(0, 0, 0, 0);

    DeviceWork {
        if (rows < 0 || batches < 0 || realTokens < 0 || paddedTokens < realTokens) {
            throw new IllegalArgumentException(
                    "Counts must not be negative and padding only adds, not "
                            + rows
                            + " rows, "
                            + batches
                            + " batches, "
                            + realTokens
                            + " of "
                            + paddedTokens
                            + " tokens");
        }
    }

    /** All work of these sessions so far. */
    static DeviceWork of(Collection<InferencePipeline> pipelines) {
        DeviceWork sum = NONE;
        for (InferencePipeline pipeline : pipelines) {
            PipelineStats stats = pipeline.stats();
            // A run may end between two reads: real before padded keeps the one below the other.
            long real = stats.realTokens();
            sum =
                    new DeviceWork(
                            sum.rows + stats.rows(),
                            sum.batches + stats.batches(),
                            sum.paddedTokens + Math.max(real, stats.paddedTokens()),
                            sum.realTokens + real);
        }
        return sum;
    }

    /** What was done since an earlier look at the same sessions. */
    DeviceWork since(DeviceWork earlier) {
        long real = realTokens - earlier.realTokens;
        return new DeviceWork(
                rows - earlier.rows,
                batches - earlier.batches,
                Math.max(real, paddedTokens - earlier.paddedTokens),
                real);
    }

    double paddingShare() {
        return paddedTokens == 0 ? 0 : 1.0 - (double) realTokens / paddedTokens;
    }

    double rowsPerBatch() {
        return batches == 0 ? 0 : (double) rows / batches;
    }

    void write(ObjectNode node) {
        node.put("padding_share", paddingShare()).put("rows_per_batch", rowsPerBatch());
    }
}
