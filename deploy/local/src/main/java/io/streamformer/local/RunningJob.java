package io.streamformer.local;

import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.flink.api.common.JobID;
import org.apache.flink.runtime.clusterframework.ApplicationStatus;
import org.apache.flink.runtime.execution.ExecutionState;
import org.apache.flink.runtime.executiongraph.AccessExecutionVertex;
import org.apache.flink.runtime.jobmaster.JobResult;
import org.apache.flink.runtime.minicluster.MiniCluster;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A job on a {@link LocalCluster}; closing it cancels it. */
public final class RunningJob implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(RunningJob.class);

    private final MiniCluster cluster;
    private final JobID id;
    private final CompletableFuture<JobResult> end;

    RunningJob(MiniCluster cluster, JobID id) {
        this.cluster = cluster;
        this.id = id;
        this.end = cluster.requestJobResult(id);
    }

    /** Flink's id of the job. */
    public JobID id() {
        return id;
    }

    /** Waits until every task of the job runs: models are loaded, topics are being read. */
    public void awaitRunning() throws Exception {
        while (!isRunning()) {
            if (end.isDone()) {
                awaitEnd();
                return;
            }
            TimeUnit.MILLISECONDS.sleep(50);
        }
    }

    private boolean isRunning() throws Exception {
        for (AccessExecutionVertex task :
                cluster.getExecutionGraph(id).get().getAllExecutionVertices()) {
            if (task.getExecutionState() != ExecutionState.RUNNING) {
                return false;
            }
        }
        return true;
    }

    /** True once the job has ended, well or not. */
    public boolean hasEnded() {
        return end.isDone();
    }

    /** Why the job failed for good; empty while it runs or after it ended well. */
    public Optional<Throwable> failure() {
        if (!end.isDone()) {
            return Optional.empty();
        }
        try {
            return end.get()
                    .getSerializedThrowable()
                    .map(t -> t.deserializeError(RunningJob.class.getClassLoader()));
        } catch (ExecutionException e) {
            return Optional.of(e.getCause());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return Optional.empty();
        }
    }

    /** Waits until a job with an end has ended well. */
    public void awaitEnd() throws Exception {
        JobResult result = end.get();
        if (result.getApplicationStatus() != ApplicationStatus.SUCCEEDED) {
            throw new IllegalStateException(
                    "The job ended: " + failure().map(Causes::of).orElse("somebody cancelled it"),
                    failure().orElse(null));
        }
    }

    /** Cancels the job if it still runs, and waits until it has ended. */
    @Override
    public void close() {
        if (end.isDone()) {
            return;
        }
        try {
            cluster.cancelJob(id).get(10, TimeUnit.SECONDS);
            end.get(20, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (ExecutionException | TimeoutException e) {
            LOG.warn("Job {} was not cancelled in an orderly way", id, e);
        }
    }
}
