#!/bin/sh
# flink-connector-kafka 5.0.0-2.2: records that a topic refuses end the whole TaskManager, not the
# task.
#
# One would expect: a record that the broker refuses fails the task; the job restarts by its strategy,
# and other jobs on the TaskManager go on.
# What happens: when the sends of several batches fail, the first error fails the task. The writer's
# close() throws the next one while Flink cleans the failed task up, where Flink treats any exception
# as fatal ("FATAL - exception in exception handler of task"): the TaskManager process ends.
# Who is hurt: every job on that TaskManager. Fenced producers, oversized records and timestamps
# outside the topic's bounds all take this path.
#
# Needs Java 17 and Maven. Starts a broker and a TaskManager in one JVM.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/pom.xml" <<'POM'
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>finding</groupId><artifactId>finding</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>4.2.0</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-metadata</artifactId><version>4.2.0</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-server-common</artifactId><version>4.2.0</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-clients</artifactId><version>4.2.0</version></dependency>
    <dependency><groupId>org.apache.flink</groupId><artifactId>flink-clients</artifactId><version>2.2.1</version></dependency>
    <dependency><groupId>org.apache.flink</groupId><artifactId>flink-streaming-java</artifactId><version>2.2.1</version></dependency>
    <dependency><groupId>org.apache.flink</groupId><artifactId>flink-connector-base</artifactId><version>2.2.1</version></dependency>
    <dependency><groupId>org.apache.flink</groupId><artifactId>flink-connector-kafka</artifactId><version>5.0.0-2.2</version></dependency>
  </dependencies>
</project>
POM
cat > "$folder/Finding.java" <<'JAVA'
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import kafka.server.KafkaConfig;
import kafka.server.KafkaRaftServer;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.RestartStrategyOptions;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.runtime.minicluster.MiniCluster;
import org.apache.flink.runtime.minicluster.MiniClusterConfiguration;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.metadata.storage.Formatter;
import org.apache.kafka.server.common.Feature;
import org.apache.kafka.server.common.MetadataVersion;

public class Finding {
    private static final String BROKER = "127.0.0.1:19392";
    private static final int PARTITIONS = 16;

    public static void main(String[] args) throws Exception {
        startBroker(Path.of(args[0]));
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", BROKER))) {
            admin.createTopics(List.of(new NewTopic("results", Optional.of(PARTITIONS), Optional.empty())
                    .configs(Map.of("message.timestamp.before.max.ms", "60000")))).all().get();
        }
        Configuration configuration = new Configuration();
        configuration.set(RestartStrategyOptions.RESTART_STRATEGY, "none");
        MiniCluster cluster = new MiniCluster(new MiniClusterConfiguration.Builder()
                .setNumTaskManagers(1).setNumSlotsPerTaskManager(1)
                .setConfiguration(configuration).build());
        cluster.start();
        while (taskManagers(cluster) == 0) {
            Thread.sleep(100);
        }
        StreamExecutionEnvironment environment =
                StreamExecutionEnvironment.getExecutionEnvironment(configuration);
        environment.setParallelism(1);
        KafkaRecordSerializationSchema<Long> old = (value, context, timestamp) ->
                new ProducerRecord<>("results", (int) (value % PARTITIONS), 0L, null, new byte[1]);
        environment.fromSequence(0, 100_000).sinkTo(KafkaSink.<Long>builder()
                .setBootstrapServers(BROKER)
                .setProperty("batch.size", "0")
                .setProperty("max.in.flight.requests.per.connection", "5")
                .setDeliveryGuarantee(DeliveryGuarantee.AT_LEAST_ONCE)
                .setRecordSerializer(old)
                .build());
        int jobs = 0;
        // Whether another batch fails between the task's failure and its close() is a race.
        for (; jobs < 30 && taskManagers(cluster) > 0; jobs++) {
            try {
                cluster.executeJobBlocking(environment.getStreamGraph(false).getJobGraph());
            } catch (Exception failed) {
                // The topic refuses all records.
            }
            for (int i = 0; i < 10 && taskManagers(cluster) > 0; i++) {
                Thread.sleep(100);
            }
        }
        System.out.println("TaskManagers after " + jobs + " failed jobs: " + taskManagers(cluster));
        Runtime.getRuntime().halt(0);
    }

    private static int taskManagers(MiniCluster cluster) throws Exception {
        return cluster.requestClusterOverview().get().getNumTaskManagersConnected();
    }

    private static void startBroker(Path logs) throws Exception {
        KafkaConfig config = KafkaConfig.apply(Map.ofEntries(
                Map.entry("process.roles", "broker,controller"),
                Map.entry("node.id", "1"),
                Map.entry("controller.quorum.voters", "1@127.0.0.1:19393"),
                Map.entry("controller.listener.names", "CONTROLLER"),
                Map.entry("listeners", "PLAINTEXT://" + BROKER + ",CONTROLLER://127.0.0.1:19393"),
                Map.entry("log.dirs", logs.toString()),
                Map.entry("offsets.topic.replication.factor", "1")), false);
        new Formatter()
                .setPrintStream(new PrintStream(OutputStream.nullOutputStream()))
                .setSupportedFeatures(Feature.PRODUCTION_FEATURES)
                .setReleaseVersion(MetadataVersion.latestProduction())
                .setClusterId(Uuid.randomUuid().toString())
                .setNodeId(1)
                .setControllerListenerName("CONTROLLER")
                .addDirectory(logs.toString())
                .setMetadataLogDirectory(logs.toString())
                .run();
        new KafkaRaftServer(config, Time.SYSTEM).startup();
    }
}
JAVA
(cd "$folder" && mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.8.1:build-classpath \
    -Dmdep.outputFile=cp >/dev/null)
javac -d "$folder/classes" -cp "$(cat "$folder/cp")" "$folder/Finding.java"
java --add-opens=java.base/java.util=ALL-UNNAMED -cp "$folder/classes:$(cat "$folder/cp")" Finding \
    "$folder/log" 2>"$folder/err" | tee "$folder/out" || tail -5 "$folder/err"
# Seen: "TaskManagers after 1 failed jobs: 0"; it may take a job or two more.
grep -q "failed jobs: 0" "$folder/out"
