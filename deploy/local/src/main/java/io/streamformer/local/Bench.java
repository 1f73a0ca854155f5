package io.streamformer.local;

import com.fasterxml.jackson.databind.json.JsonMapper;
import io.streamformer.bundle.Bundle;
import io.streamformer.flink.JobOptions;
import io.streamformer.inference.Device;
import io.streamformer.inference.ModelInput;
import io.streamformer.pipeline.InferencePipeline;
import io.streamformer.pipeline.PipelineOptions;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** One run of the benchmark. */
final class Bench {

    /**
     * What the user chose.
     *
     * @param records texts per turn; null takes as many as the seconds need
     */
    record Settings(
            DemoBundles bundles,
            List<String> texts,
            Integer records,
            int seconds,
            int rounds,
            int parallelism,
            Device device) {}

    private static final JsonMapper JSON = new JsonMapper();
    private static final int CALIBRATION_TEXTS = 512;

    private final Settings settings;
    private final Screen screen;
    private final PrintStream json;

    Bench(Settings settings, Screen screen, PrintStream json) {
        this.settings = settings;
        this.screen = screen;
        this.json = json;
    }

    int run() throws Exception {
        for (String line : Machine.describe()) {
            screen.line(line);
        }
        try (EmbeddedKafka broker = LocalSteps.startBroker(screen);
                LocalCluster cluster = LocalSteps.startCluster(settings.parallelism(), screen)) {
            JobTurn job = new JobTurn(broker.bootstrapServers(), cluster, settings.parallelism());
            for (Map.Entry<DemoTask, Path> bundle : settings.bundles().folders().entrySet()) {
                bench(bundle.getKey(), bundle.getValue(), broker.bootstrapServers(), job);
            }
        }
        String memory = Machine.memory();
        screen.line("");
        screen.line(
                "Memory of this process, with a second session per bundle for the ceiling and"
                        + " two for single calls: "
                        + memory);
        json.println(JSON.createObjectNode().put("kind", "memory").put("memory", memory));
        return 0;
    }

    private void bench(DemoTask task, Path folder, String bootstrapServers, JobTurn job)
            throws Exception {
        Bundle bundle = Bundle.read(folder);
        PipelineOptions batched = PipelineOptions.builder().device(settings.device()).build();
        PipelineOptions single = batched.toBuilder().maxBatchRows(1).build();
        PipelineOptions map =
                single.toBuilder()
                        .runThreads(1)
                        .intraOpThreads(Runtime.getRuntime().availableProcessors())
                        .build();
        // Our leases keep the sessions loaded between the turns.
        try (RawCeiling raw = new RawCeiling(bundle, batched);
                InferencePipeline shared = InferencePipeline.acquire(folder, batched);
                InferencePipeline alone = InferencePipeline.acquire(folder, single);
                InferencePipeline mapped = InferencePipeline.acquire(folder, map)) {
            List<String> texts = texts(raw);
            List<ModelInput> tokenized = raw.tokenize(texts);
            String topic = "bench-events-" + task.label();
            preload(bootstrapServers, topic, texts);
            String name =
                    bundle.manifest().name()
                            + " "
                            + bundle.manifest().version()
                            + " "
                            + shared.variant();
            screen.line("");
            screen.line(screen.paint(Screen.Style.BOLD, name + " on " + raw.device()));
            screen.line(describe(tokenized));
            BenchReport report = new BenchReport(name, screen, json);
            int capacity = JobOptions.ASYNC_CAPACITY.defaultValue();
            int count = texts.size();
            screen.status("  warm-up…");
            job.run(topic, folder, task, batched, shared, capacity, count);
            for (int round = 1; round <= settings.rounds(); round++) {
                for (BenchMode mode : BenchMode.values()) {
                    screen.status("  round " + round + ": " + mode.label() + "…");
                    Turn turn =
                            switch (mode) {
                                case RAW -> raw.run(tokenized);
                                case END_TO_END ->
                                        job.run(
                                                topic, folder, task, batched, shared, capacity,
                                                count);
                                case SINGLE ->
                                        job.run(
                                                topic, folder, task, single, alone, capacity,
                                                count);
                                case MAP ->
                                        job.run(
                                                topic,
                                                folder,
                                                task,
                                                map,
                                                mapped,
                                                mapped.minimumCapacity(),
                                                count);
                            };
                    report.add(mode, round, turn);
                }
                screen.clearStatus();
                report.round(round);
            }
            report.medians();
        }
    }

    private String describe(List<ModelInput> texts) {
        return String.format(
                Locale.ROOT,
                "%,d texts a turn, %.1f tokens on average, at most %d; medians of %d rounds",
                texts.size(),
                texts.stream().mapToInt(input -> input.text().length()).average().orElse(0),
                texts.stream().mapToInt(input -> input.text().length()).max().orElse(0),
                settings.rounds());
    }

    /** As many texts as a turn takes, in a mixed order that is the same each time. */
    private List<String> texts(RawCeiling raw) throws Exception {
        int records;
        if (settings.records() != null) {
            records = settings.records();
        } else {
            List<ModelInput> trial = raw.tokenize(mixed(CALIBRATION_TEXTS));
            raw.run(trial);
            records =
                    (int)
                            Math.max(
                                    CALIBRATION_TEXTS,
                                    Math.min(
                                            1_000_000,
                                            raw.run(trial).textsPerSecond() * settings.seconds()));
        }
        return mixed(records);
    }

    private List<String> mixed(int count) {
        List<String> texts = new ArrayList<>(count);
        List<String> order = new ArrayList<>(settings.texts());
        Random random = new Random(1);
        while (texts.size() < count) {
            Collections.shuffle(order, random);
            texts.addAll(order.subList(0, Math.min(order.size(), count - texts.size())));
        }
        return texts;
    }

    private void preload(String bootstrapServers, String topic, List<String> texts)
            throws Exception {
        new Topics(topic, Map.of(), topic)
                .create(bootstrapServers, settings.parallelism(), Map.of());
        Map<String, Object> properties =
                Map.of(
                        ProducerConfig.BOOTSTRAP_SERVERS_CONFIG,
                        bootstrapServers,
                        ProducerConfig.MAX_REQUEST_SIZE_CONFIG,
                        EmbeddedKafka.MAX_RECORD_BYTES);
        try (KafkaProducer<byte[], byte[]> producer =
                new KafkaProducer<>(
                        properties, new ByteArraySerializer(), new ByteArraySerializer())) {
            List<Future<?>> sent = new ArrayList<>(texts.size());
            for (int i = 0; i < texts.size(); i++) {
                String id = Integer.toString(i + 1);
                byte[] text = texts.get(i).getBytes(StandardCharsets.UTF_8);
                sent.add(
                        producer.send(
                                new ProducerRecord<>(
                                        topic,
                                        i % settings.parallelism(),
                                        id.getBytes(StandardCharsets.UTF_8),
                                        Feeder.encode(
                                                id, text, false, System.currentTimeMillis()))));
            }
            for (Future<?> one : sent) {
                one.get();
            }
        }
    }
}
