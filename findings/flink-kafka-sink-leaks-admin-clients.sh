#!/bin/sh
# flink-connector-kafka 5.0.0-2.2: an exactly-once KafkaSink with TransactionNamingStrategy.POOLING
# never closes its admin client.
#
# One would expect: when a job ends or restarts, its sink closes every client that it opened.
# What happens: the writer opens an AdminClient to list the transactions of earlier runs and keeps it
# in a field that close() does not look at. Its thread, its network selector and the class loader of
# the job stay: one client more for each writer that starts, also when the start fails because the
# broker is away.
# Who is hurt: clusters whose jobs restart or are submitted often: threads, file handles and metaspace
# of the TaskManagers grow until they end.
#
# Needs Java 17 and Maven. No broker: a start that fails leaks as well.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/pom.xml" <<'POM'
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>finding</groupId><artifactId>finding</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.flink</groupId><artifactId>flink-clients</artifactId><version>2.2.1</version></dependency>
    <dependency><groupId>org.apache.flink</groupId><artifactId>flink-streaming-java</artifactId><version>2.2.1</version></dependency>
    <dependency><groupId>org.apache.flink</groupId><artifactId>flink-connector-base</artifactId><version>2.2.1</version></dependency>
    <dependency><groupId>org.apache.flink</groupId><artifactId>flink-connector-kafka</artifactId><version>5.0.0-2.2</version></dependency>
  </dependencies>
</project>
POM
cat > "$folder/Finding.java" <<'JAVA'
import org.apache.flink.api.common.serialization.SimpleStringSchema;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.RestartStrategyOptions;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.sink.TransactionNamingStrategy;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

public class Finding {
    public static void main(String[] args) throws Exception {
        for (int run = 1; run <= 3; run++) {
            Configuration configuration = new Configuration();
            configuration.set(RestartStrategyOptions.RESTART_STRATEGY, "none");
            StreamExecutionEnvironment environment =
                    StreamExecutionEnvironment.createLocalEnvironment(1, configuration);
            environment.fromData("a").sinkTo(KafkaSink.<String>builder()
                    .setBootstrapServers("127.0.0.1:1")
                    .setProperty("default.api.timeout.ms", "2000")
                    .setProperty("request.timeout.ms", "1000")
                    .setProperty("max.block.ms", "2000")
                    .setDeliveryGuarantee(DeliveryGuarantee.EXACTLY_ONCE)
                    .setTransactionalIdPrefix("finding")
                    .setTransactionNamingStrategy(TransactionNamingStrategy.POOLING)
                    .setRecordSerializer(KafkaRecordSerializationSchema.<String>builder()
                            .setTopic("results")
                            .setValueSerializationSchema(new SimpleStringSchema())
                            .build())
                    .build());
            try {
                environment.execute();
            } catch (Exception ended) {
                // The broker is away.
            }
            long left = Thread.getAllStackTraces().keySet().stream()
                    .filter(thread -> thread.getName().startsWith("kafka-admin-client-thread"))
                    .count();
            System.out.println("admin clients after run " + run + ": " + left);
        }
        System.exit(0);
    }
}
JAVA
(cd "$folder" && mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.8.1:build-classpath \
    -Dmdep.outputFile=cp >/dev/null)
java --add-opens=java.base/java.util=ALL-UNNAMED -cp "$(cat "$folder/cp")" "$folder/Finding.java" 2>/dev/null \
    | tee "$folder/out"
# Seen: 1, 2 and 3 clients.
grep -q "after run 3: 3" "$folder/out"
