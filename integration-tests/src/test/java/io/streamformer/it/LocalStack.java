package io.streamformer.it;

import io.streamformer.local.EmbeddedKafka;
import io.streamformer.local.LocalCluster;
import io.streamformer.local.RunningJob;
import org.apache.flink.runtime.executiongraph.AccessExecutionVertex;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ParameterContext;
import org.junit.jupiter.api.extension.ParameterResolver;

/** The one broker and the one cluster that all tests of this JVM share, for a test's parameter. */
public final class LocalStack implements AutoCloseable {

    private static final int SLOTS = 2;

    private final EmbeddedKafka broker;
    private final LocalCluster cluster;

    /** The number of the TaskManager that is alive. */
    private int taskManager;

    private LocalStack() {
        try {
            broker = EmbeddedKafka.start();
            cluster = LocalCluster.start(SLOTS);
        } catch (Exception e) {
            throw new IllegalStateException("broker and cluster did not start", e);
        }
    }

    String bootstrapServers() {
        return broker.bootstrapServers();
    }

    LocalCluster cluster() {
        return cluster;
    }

    /** Has the TaskManager die with all that it was doing, and starts another. */
    void replaceTaskManager() throws Exception {
        cluster.miniCluster().terminateTaskManager(taskManager++).get();
        cluster.miniCluster().startTaskManager();
    }

    /** TaskManagers that are alive. */
    int taskManagers() throws Exception {
        return cluster.miniCluster().requestClusterOverview().get().getNumTaskManagersConnected();
    }

    /** How often a job was restarted. */
    int attempts(RunningJob job) throws Exception {
        int attempts = 0;
        for (AccessExecutionVertex task :
                cluster.miniCluster().getExecutionGraph(job.id()).get().getAllExecutionVertices()) {
            attempts = Math.max(attempts, task.getCurrentExecutionAttempt().getAttemptNumber());
        }
        return attempts;
    }

    @Override
    public void close() {
        cluster.close();
        broker.close();
    }

    /** Starts them for the first test that asks, and stops them after the last. */
    public static final class Extension implements ParameterResolver {
        @Override
        public boolean supportsParameter(ParameterContext parameter, ExtensionContext context) {
            return parameter.getParameter().getType() == LocalStack.class;
        }

        @Override
        public LocalStack resolveParameter(ParameterContext parameter, ExtensionContext context) {
            return context.getRoot()
                    .getStore(ExtensionContext.Namespace.GLOBAL)
                    .getOrComputeIfAbsent(
                            LocalStack.class, type -> new LocalStack(), LocalStack.class);
        }
    }
}
