package io.streamformer.it;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.streamformer.bundle.Task;
import io.streamformer.job.BundleRoute;
import io.streamformer.job.JobOptions;
import io.streamformer.job.StreamformerJob;
import io.streamformer.job.kafka.InputStart;
import io.streamformer.job.kafka.KafkaOptions;
import io.streamformer.local.EmbeddedKafka;
import io.streamformer.local.RunningJob;
import io.streamformer.local.Topics;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.StateRecoveryOptions;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** What no restart mends is refused before the job is submitted, and ends one that runs. */
@ExtendWith(LocalStack.Extension.class)
class BrokerCheckITCase {

    private static final String LOGIN =
            "org.apache.kafka.common.security.plain.PlainLoginModule required ";
    private static final String ADMIN = LOGIN + "username=\"admin\" password=\"of,the:admin=;\";";

    private static EmbeddedKafka secured;

    private final LocalStack stack;
    private final Topics topics =
            Topics.prefixed(
                    "check-" + UUID.randomUUID().toString().substring(0, 8) + "-",
                    Set.of(Task.TEXT_CLASSIFICATION));

    @TempDir private Path folder;

    BrokerCheckITCase(LocalStack stack) {
        this.stack = stack;
    }

    /** A broker that wants to know who asks, and lets only one user do anything. */
    @BeforeAll
    static void startSecuredBroker() throws Exception {
        secured =
                EmbeddedKafka.start(
                        Map.of(
                                "listener.security.protocol.map",
                                "PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
                                "inter.broker.listener.name",
                                "PLAINTEXT",
                                "sasl.enabled.mechanisms",
                                "PLAIN",
                                "sasl.mechanism.inter.broker.protocol",
                                "PLAIN",
                                "listener.name.plaintext.plain.sasl.jaas.config",
                                ADMIN.replace(";\";", ";\"")
                                        + " user_admin=\"of,the:admin=;\" user_guest=\"guest\";",
                                "authorizer.class.name",
                                "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                                "super.users",
                                "User:admin;User:ANONYMOUS"));
    }

    @AfterAll
    static void stopSecuredBroker() {
        secured.close();
    }

    @Test
    void everyProblemIsToldAtOnce() {
        assertRefused(
                options(stack.bootstrapServers()).set("sink.transaction-timeout", "20 min"),
                "The topic " + topics.events() + " does not exist. Create it",
                "The topic " + topics.resultsOf(Task.TEXT_CLASSIFICATION) + " does not exist",
                "The topic " + topics.deadLetters() + " does not exist",
                "sink.transaction-timeout is 20 min, but the brokers allow at most 15 min");
    }

    @Test
    void theSubmittingClientAsks() {
        assertThatThrownBy(
                        () ->
                                StreamformerJob.main(
                                        new String[] {
                                            "--bootstrap-servers",
                                            stack.bootstrapServers(),
                                            "--bundles",
                                            TestBundles.TINY_SENTIMENT.toString(),
                                            "--input.topic",
                                            topics.events()
                                        }))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("The topic " + topics.events() + " does not exist");
    }

    @Test
    void brokersThatAreAwayAreNamed() throws Exception {
        int port;
        try (ServerSocket socket = new ServerSocket(0)) {
            port = socket.getLocalPort();
        }
        assertRefused(
                impatient(options("127.0.0.1:" + port)),
                "No broker can be reached at 127.0.0.1:" + port);
    }

    @Test
    void brokersThatWantCredentialsAreNoSilentHang() {
        assertRefused(
                impatient(options(secured.bootstrapServers())),
                secured.bootstrapServers() + " accept connections but do not answer",
                "set security.protocol");
    }

    @Test
    void wrongCredentialsAreRefused() {
        assertRefused(
                sasl(LOGIN + "username=\"guest\" password=\"wrong\";"),
                secured.bootstrapServers() + " refuse the credentials",
                "kafka.properties");
    }

    @Test
    void missingRightsAreNamed() throws Exception {
        createTopicsOfTheSecuredBroker();
        assertRefused(
                sasl(LOGIN + "username=\"guest\" password=\"guest\";"),
                "no right to read the topic " + topics.events(),
                "no right to write the topic " + topics.resultsOf(Task.TEXT_CLASSIFICATION),
                "no right to write the topic " + topics.deadLetters(),
                "no right to read the group check");
    }

    @Test
    void secretsComeFromAFile() throws Exception {
        createTopicsOfTheSecuredBroker();
        Path secrets = folder.resolve("kafka.properties");
        Files.writeString(secrets, "jaas=" + ADMIN + "\n");
        JobOptions.Builder options =
                sasl("${file:" + secrets + ":jaas}")
                        .set("kafka.properties.config.providers", "file")
                        .set(
                                "kafka.properties.config.providers.file.class",
                                "org.apache.kafka.common.config.provider.FileConfigProvider")
                        .set(KafkaOptions.INPUT_BOUNDED, true);
        StreamExecutionEnvironment environment = stack.cluster().environment();
        List<BundleRoute> routes = StreamformerJob.build(environment, options.build());
        StreamformerJob.checkBrokers(environment, options.build(), routes);
        // Source and sinks read the file too: the job reads its empty topic and ends.
        try (RunningJob job = stack.cluster().submit(environment)) {
            job.awaitEnd();
        }
    }

    @Test
    void offsetsWithoutTheStateThatGoesWithThemAreRefused() throws Exception {
        topics.create(stack.bootstrapServers(), 1, Map.of());
        JobOptions.Builder options = options(stack.bootstrapServers());
        assertThatCode(() -> check(options, new Configuration())).doesNotThrowAnyException();

        topics.skipEvents(stack.bootstrapServers(), "check");
        assertRefused(
                options,
                "input.start is committed, but the group check has committed offsets of "
                        + topics.events(),
                "flink run -s PATH",
                "resume-committed");

        Configuration restored = new Configuration();
        restored.set(StateRecoveryOptions.SAVEPOINT_PATH, "file:///savepoint");
        assertThatCode(() -> check(options, restored)).doesNotThrowAnyException();
        for (InputStart start : InputStart.values()) {
            if (start != InputStart.COMMITTED) {
                options.set(KafkaOptions.INPUT_START, start);
                assertThatCode(() -> check(options, new Configuration()))
                        .doesNotThrowAnyException();
            }
        }
    }

    @Test
    void aRunningJobEndsAtOnceWithoutItsTopic() throws Exception {
        assertEndsAtOnce(
                options(stack.bootstrapServers()),
                "The topic " + topics.events() + " does not exist. Create it");
    }

    @Test
    void aRunningJobEndsAtOnceWithoutItsRights() throws Exception {
        createTopicsOfTheSecuredBroker();
        assertEndsAtOnce(
                sasl(LOGIN + "username=\"guest\" password=\"guest\";"),
                "no right to read the topic " + topics.events());
        assertEndsAtOnce(
                sasl(LOGIN + "username=\"guest\" password=\"wrong\";"),
                "The brokers refuse the credentials");
    }

    private void assertEndsAtOnce(JobOptions.Builder options, String message) throws Exception {
        StreamExecutionEnvironment environment = stack.cluster().environment();
        StreamformerJob.build(environment, options.build());
        try (RunningJob job = stack.cluster().submit(environment)) {
            assertThatThrownBy(job::awaitEnd)
                    .hasStackTraceContaining("The failure is not recoverable")
                    .hasStackTraceContaining(message);
        }
    }

    private JobOptions.Builder options(String bootstrapServers) {
        return JobOptions.builder()
                .set(KafkaOptions.BOOTSTRAP_SERVERS, bootstrapServers)
                .set(JobOptions.BUNDLES, List.of(TestBundles.TINY_SENTIMENT.toString()))
                .set(KafkaOptions.INPUT_TOPIC, topics.events())
                .set(KafkaOptions.INPUT_GROUP_ID, "check")
                .set(JobOptions.RESULTS_TOPIC, topics.resultsOf(Task.TEXT_CLASSIFICATION))
                .set(KafkaOptions.DEAD_LETTER_TOPIC, topics.deadLetters())
                .set(JobOptions.CHECKPOINT_INTERVAL, Duration.ofMillis(200));
    }

    private static JobOptions.Builder impatient(JobOptions.Builder options) {
        return options.set("kafka.properties.default.api.timeout.ms", "3000")
                .set("kafka.properties.request.timeout.ms", "2000");
    }

    private JobOptions.Builder sasl(String login) {
        JobOptions.Builder options = options(secured.bootstrapServers());
        saslProperties(login)
                .forEach((name, value) -> options.set("kafka.properties." + name, value));
        return options;
    }

    private static Map<String, String> saslProperties(String login) {
        return Map.of(
                "security.protocol",
                "SASL_PLAINTEXT",
                "sasl.mechanism",
                "PLAIN",
                "sasl.jaas.config",
                login);
    }

    private void createTopicsOfTheSecuredBroker() throws Exception {
        Map<String, Object> properties = new HashMap<>(saslProperties(ADMIN));
        properties.put("bootstrap.servers", secured.bootstrapServers());
        try (Admin admin = Admin.create(properties)) {
            admin.createTopics(
                            topics.all().stream()
                                    .map(
                                            name ->
                                                    new NewTopic(
                                                            name, Optional.of(1), Optional.empty()))
                                    .toList())
                    .all()
                    .get();
        }
    }

    private static void check(JobOptions.Builder options, Configuration flinks) {
        StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment(flinks);
        JobOptions built = options.build();
        StreamformerJob.checkBrokers(env, built, StreamformerJob.routes(built));
    }

    private static void assertRefused(JobOptions.Builder options, String... messages) {
        assertThatThrownBy(() -> check(options, new Configuration()))
                .isInstanceOf(IllegalArgumentException.class)
                .message()
                .contains(messages)
                .doesNotContain("PlainLoginModule");
    }
}
