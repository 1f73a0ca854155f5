package io.streamformer.local;

import java.net.URI;
import java.time.Duration;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.flink.api.common.JobID;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.MemorySize;
import org.apache.flink.configuration.RestOptions;
import org.apache.flink.configuration.RestartStrategyOptions;
import org.apache.flink.configuration.TaskManagerOptions;
import org.apache.flink.configuration.WebOptions;
import org.apache.flink.runtime.minicluster.MiniCluster;
import org.apache.flink.runtime.minicluster.MiniClusterConfiguration;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A Flink cluster of one TaskManager inside this JVM, with its web UI. */
public final class LocalCluster implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(LocalCluster.class);
    private static final String WEB_PORTS = "8081-8180";
    private static final int RESTARTS = 3;

    private final MiniCluster cluster;
    private final TemporaryFolder checkpoints;

    private LocalCluster(MiniCluster cluster, TemporaryFolder checkpoints) {
        this.cluster = cluster;
        this.checkpoints = checkpoints;
    }

    /** Starts the cluster; its web UI takes port 8081, or the next that is free. */
    public static LocalCluster start(int slots) throws Exception {
        Configuration configuration = new Configuration();
        configuration.set(RestOptions.BIND_PORT, WEB_PORTS);
        configuration.set(RestOptions.BIND_ADDRESS, "127.0.0.1");
        configuration.set(RestOptions.ADDRESS, "127.0.0.1");
        // Nothing is uploaded to a demo.
        configuration.set(WebOptions.SUBMIT_ENABLE, false);
        String log = System.getProperty("streamformer.log");
        if (log != null) {
            configuration.set(WebOptions.LOG_PATH, log);
        }
        // The job keeps no large state and one TaskManager talks to nobody.
        configuration.set(TaskManagerOptions.MANAGED_MEMORY_SIZE, MemorySize.ofMebiBytes(4));
        configuration.set(TaskManagerOptions.NETWORK_MEMORY_MIN, MemorySize.ofMebiBytes(32));
        configuration.set(TaskManagerOptions.NETWORK_MEMORY_MAX, MemorySize.ofMebiBytes(32));
        MiniCluster cluster =
                new MiniCluster(
                        new MiniClusterConfiguration.Builder()
                                .setConfiguration(configuration)
                                .setNumTaskManagers(1)
                                .setNumSlotsPerTaskManager(slots)
                                .build());
        cluster.start();
        return new LocalCluster(cluster, TemporaryFolder.create("checkpoints"));
    }

    /** Where a browser finds the web UI. */
    public URI webAddress() throws ExecutionException, InterruptedException {
        return cluster.getRestAddress().get();
    }

    /** An environment to build a job in, for {@link #submit}. */
    public StreamExecutionEnvironment environment() {
        Configuration configuration = new Configuration();
        configuration.set(CheckpointingOptions.CHECKPOINT_STORAGE, "filesystem");
        configuration.set(
                CheckpointingOptions.CHECKPOINTS_DIRECTORY, checkpoints.path().toUri().toString());
        configuration.set(RestartStrategyOptions.RESTART_STRATEGY, "fixed-delay");
        configuration.set(RestartStrategyOptions.RESTART_STRATEGY_FIXED_DELAY_ATTEMPTS, RESTARTS);
        configuration.set(
                RestartStrategyOptions.RESTART_STRATEGY_FIXED_DELAY_DELAY, Duration.ofSeconds(1));
        return StreamExecutionEnvironment.getExecutionEnvironment(configuration);
    }

    /** Starts the job that was built in the environment. */
    public RunningJob submit(StreamExecutionEnvironment environment)
            throws ExecutionException, InterruptedException {
        JobID id = cluster.submitJob(environment.getStreamGraph()).get().getJobID();
        return new RunningJob(cluster, id);
    }

    /** The cluster itself, for tests that take a TaskManager away. */
    public MiniCluster miniCluster() {
        return cluster;
    }

    /** Stops the cluster; a job that still runs is stopped with it. */
    @Override
    public void close() {
        try {
            cluster.closeAsync().get(30, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (ExecutionException | TimeoutException e) {
            LOG.warn("The cluster did not stop in an orderly way", e);
        }
        checkpoints.close();
    }
}
