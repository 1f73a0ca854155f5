package io.streamformer.it;

import io.streamformer.local.EmbeddedKafka;
import io.streamformer.local.LocalCluster;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ParameterContext;
import org.junit.jupiter.api.extension.ParameterResolver;

/** The one broker and the one cluster that all tests of this JVM share, for a test's parameter. */
public final class LocalStack implements AutoCloseable {

    private static final int SLOTS = 2;

    private final EmbeddedKafka broker;
    private final LocalCluster cluster;

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
