package io.streamformer.batch;

import java.util.List;

/** What a batcher drives: it runs a batch of rows and answers each. */
public interface BatchRunner<R extends BatchRow> {

    /**
     * Runs the rows as one batch and answers every row, or throws and has answered none.
     *
     * @param rows at least one row, from the longest to the shortest
     */
    void run(List<R> rows) throws Exception;

    /** Answers a row with the failure of a run that had no other row in it. */
    void fail(R row, Throwable failure);

    /** True where a smaller batch would have fitted into the device's memory. */
    boolean isOutOfMemory(Throwable failure);

    /** Told when a failed batch is about to be run again in halves. */
    void onSplit(Throwable failure);
}
