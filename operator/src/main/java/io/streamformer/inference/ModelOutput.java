package io.streamformer.inference;

/** What one run of a model gave, for all rows of its batch. */
public sealed interface ModelOutput {

    /**
     * One number per label and row.
     *
     * @param values row by row
     */
    @SuppressWarnings("ArrayRecordComponent") // handed over once, never compared
    record Logits(float[] values, int labels) implements ModelOutput {}

    /**
     * Generated ids, best hypothesis first.
     *
     * @param ids row by row, hypothesis by hypothesis, padded to the same length
     * @param scores one per row and hypothesis
     * @param hypotheses hypotheses per row
     * @param length padded length of a hypothesis
     */
    @SuppressWarnings("ArrayRecordComponent") // handed over once, never compared
    record Sequences(long[] ids, float[] scores, int hypotheses, int length)
            implements ModelOutput {}
}
