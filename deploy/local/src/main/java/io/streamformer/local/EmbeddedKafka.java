package io.streamformer.local;

import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import kafka.server.KafkaConfig;
import kafka.server.KafkaRaftServer;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.metadata.storage.Formatter;
import org.apache.kafka.server.common.Feature;
import org.apache.kafka.server.common.MetadataVersion;

/**
 * A Kafka broker of one node inside this JVM.
 *
 * <p>Broker and controller are the real ones, so transactions and {@code read_committed} are too. A
 * broker on a given folder keeps its records across restarts; one on a temporary folder removes it
 * at the end.
 */
public final class EmbeddedKafka implements AutoCloseable {

    /** The largest record the broker takes: a long text fits, a runaway file does not. */
    public static final int MAX_RECORD_BYTES = 16 * 1024 * 1024;

    private static final int NODE_ID = 1;

    private final KafkaRaftServer server;
    private final String bootstrapServers;
    private final TemporaryFolder temporary;

    private EmbeddedKafka(
            KafkaRaftServer server, String bootstrapServers, TemporaryFolder temporary) {
        this.server = server;
        this.bootstrapServers = bootstrapServers;
        this.temporary = temporary;
    }

    /** Starts a broker whose records live as long as it does. */
    public static EmbeddedKafka start() throws IOException {
        return start(Map.of());
    }

    /** The same with further settings of the broker, for tests that need a stricter one. */
    public static EmbeddedKafka start(Map<String, String> more) throws IOException {
        TemporaryFolder temporary = TemporaryFolder.create("kafka");
        return start(temporary.path(), temporary, more);
    }

    /** Starts a broker on a folder of its own, which may hold the records of an earlier one. */
    public static EmbeddedKafka start(Path folder) throws IOException {
        return start(folder, null, Map.of());
    }

    private static EmbeddedKafka start(
            Path folder, TemporaryFolder temporary, Map<String, String> more) throws IOException {
        List<Integer> ports = freePorts(2);
        Path logs = folder.resolve("log");
        Map<String, String> settings = new HashMap<>(settings(logs, ports.get(0), ports.get(1)));
        settings.putAll(more);
        KafkaConfig config = KafkaConfig.apply(settings, false);
        KafkaRaftServer server = null;
        try {
            format(logs);
            server = new KafkaRaftServer(config, Time.SYSTEM);
            server.startup();
        } catch (Exception e) {
            if (server != null) {
                server.shutdown();
                server.awaitShutdown();
            }
            if (temporary != null) {
                temporary.close();
            }
            throw new IOException(
                    "The embedded broker did not start on port "
                            + ports.get(0)
                            + ": "
                            + e.getMessage()
                            + ". Try again, or use --bootstrap-servers with a broker of yours.",
                    e);
        }
        return new EmbeddedKafka(server, "127.0.0.1:" + ports.get(0), temporary);
    }

    private static Map<String, String> settings(Path logs, int port, int controllerPort) {
        return Map.ofEntries(
                Map.entry("process.roles", "broker,controller"),
                Map.entry("node.id", Integer.toString(NODE_ID)),
                Map.entry("controller.quorum.voters", NODE_ID + "@127.0.0.1:" + controllerPort),
                Map.entry("controller.listener.names", "CONTROLLER"),
                Map.entry(
                        "listeners",
                        "PLAINTEXT://127.0.0.1:"
                                + port
                                + ",CONTROLLER://127.0.0.1:"
                                + controllerPort),
                Map.entry("log.dirs", logs.toString()),
                Map.entry("auto.create.topics.enable", "false"),
                Map.entry("group.initial.rebalance.delay.ms", "0"),
                // One node: what is replicated in earnest is kept once here, in few partitions.
                Map.entry("offsets.topic.replication.factor", "1"),
                Map.entry("offsets.topic.num.partitions", "1"),
                Map.entry("transaction.state.log.replication.factor", "1"),
                Map.entry("transaction.state.log.min.isr", "1"),
                Map.entry("transaction.state.log.num.partitions", "4"),
                Map.entry("share.coordinator.state.topic.replication.factor", "1"),
                Map.entry("share.coordinator.state.topic.min.isr", "1"),
                Map.entry("message.max.bytes", Integer.toString(MAX_RECORD_BYTES)),
                // By their own time, events may be years old: Kafka would delete them unread.
                Map.entry("log.retention.ms", "-1"),
                // Threads and buffers for one user, not for a fleet.
                Map.entry("num.network.threads", "1"),
                Map.entry("num.io.threads", "2"),
                Map.entry("background.threads", "2"),
                Map.entry("log.cleaner.dedupe.buffer.size", Integer.toString(4 * 1024 * 1024)),
                Map.entry("log.segment.bytes", Integer.toString(64 * 1024 * 1024)));
    }

    private static void format(Path logs) throws Exception {
        Files.createDirectories(logs);
        new Formatter()
                .setPrintStream(
                        new PrintStream(
                                OutputStream.nullOutputStream(), false, StandardCharsets.UTF_8))
                .setSupportedFeatures(Feature.PRODUCTION_FEATURES)
                .setReleaseVersion(MetadataVersion.latestProduction())
                .setClusterId(Uuid.randomUuid().toString())
                .setNodeId(NODE_ID)
                .setControllerListenerName("CONTROLLER")
                .addDirectory(logs.toString())
                .setMetadataLogDirectory(logs.toString())
                .setIgnoreFormatted(true)
                .run();
    }

    /** The address that clients in this machine connect to. */
    public String bootstrapServers() {
        return bootstrapServers;
    }

    /** Stops the broker and, if nobody gave it a folder, removes its records. */
    @Override
    public void close() {
        server.shutdown();
        server.awaitShutdown();
        if (temporary != null) {
            temporary.close();
        }
    }

    private static List<Integer> freePorts(int count) throws IOException {
        // All are held open until all are known: no port is given twice.
        List<ServerSocket> sockets = new ArrayList<>();
        try {
            for (int i = 0; i < count; i++) {
                sockets.add(new ServerSocket(0));
            }
            return sockets.stream().map(ServerSocket::getLocalPort).toList();
        } finally {
            for (ServerSocket socket : sockets) {
                socket.close();
            }
        }
    }
}
