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
     * One number per label and token.
     *
     * @param values row by row, token by token; those of padding mean nothing
     * @param length padded length of a row
     */
    @SuppressWarnings("ArrayRecordComponent") // handed over once, never compared
    record TokenLogits(float[] values, int length, int labels) implements ModelOutput {}

    /**
     * How much each token is the first and the last of an answer.
     *
     * @param starts row by row; those of padding mean nothing
     * @param ends as starts
     * @param length padded length of a row
     */
    @SuppressWarnings("ArrayRecordComponent") // handed over once, never compared
    record SpanLogits(float[] starts, float[] ends, int length) implements ModelOutput {}

    /**
     * One vector per row.
     *
     * @param values row by row
     */
    @SuppressWarnings("ArrayRecordComponent") // handed over once, never compared
    record Embeddings(float[] values, int width) implements ModelOutput {}

    /**
     * Generated ids, best hypothesis first.
     *
     * @param ids row by row, hypothesis by hypothesis, padded to the same length
     * @param scores one per row and hypothesis
     * @param hypotheses hypotheses per row
     * @param length padded length of a hypothesis
     * @param tokenScores log-probability of each of the ids; null where the graph does not give it
     * @param alignments per id how much it looked at each input token; null where the graph does
     *     not give it
     * @param sourceLength padded length of a row's input
     */
    @SuppressWarnings("ArrayRecordComponent") // handed over once, never compared
    record Sequences(
            long[] ids,
            float[] scores,
            int hypotheses,
            int length,
            float[] tokenScores,
            float[] alignments,
            int sourceLength)
            implements ModelOutput {}
}
