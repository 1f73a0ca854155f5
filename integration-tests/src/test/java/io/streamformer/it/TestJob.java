package io.streamformer.it;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.streamformer.bundle.Bundle;
import io.streamformer.bundle.Task;
import io.streamformer.engine.ModelOptions;
import io.streamformer.inference.Device;
import io.streamformer.job.BundleRoute;
import io.streamformer.job.JobOptions;
import io.streamformer.job.StreamformerJob;
import io.streamformer.job.kafka.KafkaOptions;
import io.streamformer.local.DemoTasks;
import io.streamformer.local.EmbeddedKafka;
import io.streamformer.local.RunningJob;
import io.streamformer.local.Topics;
import io.streamformer.schemas.DeadLetter;
import io.streamformer.schemas.RecordCodec;
import io.streamformer.schemas.TextEvent;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.Future;
import java.util.function.Consumer;
import java.util.function.Predicate;
import org.apache.avro.specific.SpecificRecordBase;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.StateRecoveryOptions;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** The ready-made job on topics of its own, with what a test sends and reads. */
final class TestJob implements AutoCloseable {

    /** How long a test waits for what has to come. */
    static final Duration PATIENCE = Duration.ofMinutes(3);

    /**
     * A record that came back.
     *
     * @param value the record of a task, or a DeadLetter
     */
    record Outcome(ConsumerRecord<byte[], byte[]> record, String key, SpecificRecordBase value) {}

    private final String bootstrapServers;
    private final Topics topics;
    private final JobOptions options;
    private final RunningJob job;
    private final KafkaProducer<byte[], byte[]> producer;

    private TestJob(String bootstrapServers, Topics topics, JobOptions options, RunningJob job) {
        this.bootstrapServers = bootstrapServers;
        this.topics = topics;
        this.options = options;
        this.job = job;
        this.producer =
                new KafkaProducer<>(
                        Map.of(
                                ProducerConfig.BOOTSTRAP_SERVERS_CONFIG,
                                bootstrapServers,
                                ProducerConfig.MAX_REQUEST_SIZE_CONFIG,
                                EmbeddedKafka.MAX_RECORD_BYTES),
                        new ByteArraySerializer(),
                        new ByteArraySerializer());
    }

    /** Starts the job on new topics. */
    static TestJob start(LocalStack stack, List<Path> bundles, Consumer<JobOptions.Builder> more)
            throws Exception {
        return start(stack, bundles, Map.of(), more);
    }

    /** Starts the job on new topics with settings of their own. */
    static TestJob start(
            LocalStack stack,
            List<Path> bundles,
            Map<String, String> topicSettings,
            Consumer<JobOptions.Builder> more)
            throws Exception {
        String prefix = "it-" + UUID.randomUUID().toString().substring(0, 8) + "-";
        Topics topics = topics(prefix, bundles);
        // The events are written by the test, with times of their own.
        Topics.create(stack.bootstrapServers(), List.of(topics.events()), 2, Map.of());
        Topics.create(stack.bootstrapServers(), topics.outcomes(), 2, topicSettings);
        return start(
                stack, topics, options(stack, prefix, topics, bundles, more), new Configuration());
    }

    /** Starts the job on topics that exist. */
    static TestJob fresh(
            LocalStack stack, String prefix, List<Path> bundles, Consumer<JobOptions.Builder> more)
            throws Exception {
        Topics topics = topics(prefix, bundles);
        return start(
                stack, topics, options(stack, prefix, topics, bundles, more), new Configuration());
    }

    /** Starts the job on topics that exist, from a savepoint. */
    static TestJob restore(
            LocalStack stack,
            String prefix,
            List<Path> bundles,
            Consumer<JobOptions.Builder> more,
            Path savepoint)
            throws Exception {
        Topics topics = topics(prefix, bundles);
        Configuration configuration = new Configuration();
        configuration.set(StateRecoveryOptions.SAVEPOINT_PATH, savepoint.toUri().toString());
        return start(stack, topics, options(stack, prefix, topics, bundles, more), configuration);
    }

    /** The topics of a job whose names start alike. */
    static Topics topics(String prefix, List<Path> bundles) {
        Set<Task> tasks = EnumSet.noneOf(Task.class);
        for (Path bundle : bundles) {
            tasks.add(taskOf(bundle));
        }
        return Topics.prefixed(prefix, tasks);
    }

    private static JobOptions options(
            LocalStack stack,
            String prefix,
            Topics topics,
            List<Path> bundles,
            Consumer<JobOptions.Builder> more)
            throws IOException {
        JobOptions.Builder options =
                JobOptions.builder()
                        .set(KafkaOptions.BOOTSTRAP_SERVERS, stack.bootstrapServers())
                        .set(JobOptions.BUNDLES, bundles.stream().map(Path::toString).toList())
                        .set(KafkaOptions.INPUT_TOPIC, topics.events())
                        .set(KafkaOptions.INPUT_GROUP_ID, prefix)
                        .set(KafkaOptions.DEAD_LETTER_TOPIC, topics.deadLetters())
                        .set(ModelOptions.DEVICE, Device.CPU)
                        .set(KafkaOptions.MAX_RECORD_BYTES, EmbeddedKafka.MAX_RECORD_BYTES / 2L)
                        .set(JobOptions.CHECKPOINT_INTERVAL, Duration.ofMillis(200));
        for (Path bundle : bundles) {
            options.set(
                    "model." + TestBundles.manifest(bundle).get("name").asText() + ".results-topic",
                    topics.resultsOf(taskOf(bundle)));
        }
        more.accept(options);
        return options.build();
    }

    private static TestJob start(
            LocalStack stack, Topics topics, JobOptions options, Configuration more)
            throws Exception {
        StreamExecutionEnvironment environment = stack.cluster().environment();
        environment.configure(more);
        List<BundleRoute> routes = StreamformerJob.build(environment, options);
        StreamformerJob.checkBrokers(environment, options, routes);
        return new TestJob(
                stack.bootstrapServers(), topics, options, stack.cluster().submit(environment));
    }

    /** Starts the job again on its topics, from a checkpoint. */
    TestJob restore(LocalStack stack, Path checkpoint) throws Exception {
        Configuration configuration = new Configuration();
        configuration.set(StateRecoveryOptions.SAVEPOINT_PATH, checkpoint.toUri().toString());
        return start(stack, topics, options, configuration);
    }

    private static Task taskOf(Path bundle) {
        return Bundle.read(bundle).manifest().task();
    }

    RunningJob job() {
        return job;
    }

    /** Sends a text under its id, which is its key too. */
    void send(String id, String text) throws Exception {
        sendLater(id, text).get();
    }

    /** As {@link #send}, without waiting for the broker. */
    Future<?> sendLater(String id, String text) {
        TextEvent event =
                TextEvent.newBuilder()
                        .setId(id)
                        .setText(text)
                        .setTimestamp(Instant.ofEpochMilli(1_700_000_000_000L))
                        .build();
        return sendRaw(id, RecordCodec.of(TextEvent.class).encode(event));
    }

    /** Sends a pair of texts under its id. */
    void sendPair(String id, String text, String textPair) throws Exception {
        TextEvent event =
                TextEvent.newBuilder().setId(id).setText(text).setTextPair(textPair).build();
        sendRaw(id, RecordCodec.of(TextEvent.class).encode(event)).get();
    }

    /** Sends bytes under a key. */
    Future<?> sendRaw(String key, byte[] value) {
        ProducerRecord<byte[], byte[]> record =
                new ProducerRecord<>(
                        topics.events(), null, 1_700_000_000_000L, key.getBytes(UTF_8), value);
        record.headers().add("traceparent", ("trace-of-" + key).getBytes(UTF_8));
        return producer.send(record);
    }

    /** Waits until so many outcomes are committed. */
    List<Outcome> await(int count) throws Exception {
        return await(outcomes -> outcomes.size() >= count);
    }

    /** Waits until what is committed fulfils a condition; fails with the job if that failed. */
    List<Outcome> await(Predicate<List<Outcome>> condition) throws Exception {
        List<Outcome> outcomes = new ArrayList<>();
        Instant end = Instant.now().plus(PATIENCE);
        try (KafkaConsumer<byte[], byte[]> consumer = consumer("read_committed")) {
            while (!condition.test(outcomes)) {
                if (job.failure().isPresent()) {
                    throw new AssertionError("the job failed", job.failure().get());
                }
                if (Instant.now().isAfter(end)) {
                    throw new AssertionError("no more than " + outcomes.size() + " outcomes came");
                }
                for (ConsumerRecord<byte[], byte[]> record :
                        consumer.poll(Duration.ofMillis(200))) {
                    outcomes.add(outcome(record));
                }
            }
        }
        return outcomes;
    }

    /** Everything that lies in the topics of outcomes now. */
    List<Outcome> readAll(String isolationLevel) throws Exception {
        List<Outcome> outcomes = new ArrayList<>();
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(isolationLevel)) {
            Map<TopicPartition, Long> ends = consumer.endOffsets(consumer.assignment());
            while (ends.keySet().stream().anyMatch(p -> consumer.position(p) < ends.get(p))) {
                for (ConsumerRecord<byte[], byte[]> record :
                        consumer.poll(Duration.ofMillis(200))) {
                    outcomes.add(outcome(record));
                }
            }
        }
        return outcomes;
    }

    private KafkaConsumer<byte[], byte[]> consumer(String isolationLevel) {
        KafkaConsumer<byte[], byte[]> consumer =
                new KafkaConsumer<>(
                        Map.of(
                                ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG,
                                bootstrapServers,
                                ConsumerConfig.ISOLATION_LEVEL_CONFIG,
                                isolationLevel),
                        new ByteArrayDeserializer(),
                        new ByteArrayDeserializer());
        List<TopicPartition> partitions = new ArrayList<>();
        for (String topic : topics.outcomes()) {
            consumer.partitionsFor(topic)
                    .forEach(info -> partitions.add(new TopicPartition(topic, info.partition())));
        }
        consumer.assign(partitions);
        consumer.seekToBeginning(partitions);
        return consumer;
    }

    private Outcome outcome(ConsumerRecord<byte[], byte[]> record) throws Exception {
        Class<? extends SpecificRecordBase> type =
                topics.taskOf(record.topic())
                        .<Class<? extends SpecificRecordBase>>map(DemoTasks::recordClass)
                        .orElse(DeadLetter.class);
        return new Outcome(
                record,
                record.key() == null ? null : new String(record.key(), UTF_8),
                RecordCodec.of(type).decode(record.value()));
    }

    /** What keeps outcomes of the same event and task apart from all others. */
    static String identity(Outcome outcome) {
        String task = outcome.value().getClass().getSimpleName() + outcome.record().topic();
        if (outcome.value() instanceof DeadLetter letter) {
            task = String.valueOf(letter.getTask());
        }
        return Arrays.asList(outcome.key(), task).toString();
    }

    @Override
    public void close() {
        job.close();
        producer.close(Duration.ofSeconds(5));
    }
}
