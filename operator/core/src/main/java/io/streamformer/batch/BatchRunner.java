package io.streamformer.batch;

import java.util.List;
import org.apache.flink.annotation.Internal;

/** What a batcher drives: it runs a batch of rows and answers each. */
@Internal
public interface BatchRunner<R extends BatchRow> {

    /**
     * Runs the rows as one batch and answers every row, or throws and has answered none.
     *
     * @param rows at least one row, from the longest to the shortest
     */
    void run(List<R> rows) throws Exception;

    /**
     * Asks the run under way to end with a failure. Called by another thread, perhaps more than
     * once; does nothing between two runs.
     */
    void terminate();

    /** Answers a row with the failure of a run that had no other row in it; it is not run again. */
    void fail(R row, Throwable failure);

    /** Answers a row with a failure that is not the row's, without a run. Called by any thread. */
    void abort(R row, Throwable failure);

    /** True where the same row alone may be answered a moment later: the device is at fault. */
    boolean isTransient(Throwable failure);

    /** True where a smaller batch would have fitted into the device's memory. */
    boolean isOutOfMemory(Throwable failure);

    /** Told when a failed batch is about to be run again in halves. */
    void onSplit(Throwable failure);

    /** Told when a row that failed alone is about to wait for another try. */
    void onRetry(Throwable failure);
}
