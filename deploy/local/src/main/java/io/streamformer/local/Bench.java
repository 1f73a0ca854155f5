package io.streamformer.local;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.streamformer.bundle.Bundle;
import io.streamformer.bundle.Manifest;
import io.streamformer.inference.Device;
import io.streamformer.pipeline.InferencePipeline;
import io.streamformer.pipeline.PipelineOptions;
import io.streamformer.tokenize.TokenizedText;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.function.ToDoubleFunction;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** One run of the benchmark. */
final class Bench {

    /** What takes turns. */
    private enum Mode {
        RAW("raw ceiling"),
        END_TO_END("end to end"),
        SINGLE("one call per record");

        private final String label;

        Mode(String label) {
            this.label = label;
        }
    }

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
        try (EmbeddedKafka broker =
                        screen.step(
                                "Starting the Kafka broker",
                                () -> {
                                    EmbeddedKafka started = EmbeddedKafka.start();
                                    return new Screen.Step<>(started.bootstrapServers(), started);
                                });
                LocalCluster cluster =
                        screen.step(
                                "Starting the Flink cluster",
                                () -> {
                                    LocalCluster started =
                                            LocalCluster.start(settings.parallelism());
                                    return new Screen.Step<>(
                                            "web UI at " + started.webAddress(), started);
                                })) {
            JobTurn job = new JobTurn(broker.bootstrapServers(), cluster, settings.parallelism());
            for (Map.Entry<DemoTask, Path> bundle : settings.bundles().folders().entrySet()) {
                bench(bundle.getKey(), bundle.getValue(), broker.bootstrapServers(), job);
            }
        }
        String memory = Machine.memory();
        screen.line("");
        screen.line(
                "Memory of this process, with a second session per bundle for the ceiling and"
                        + " a third for single calls: "
                        + memory);
        json.println(JSON.createObjectNode().put("kind", "memory").put("memory", memory));
        return 0;
    }

    private void bench(DemoTask task, Path folder, String bootstrapServers, JobTurn job)
            throws Exception {
        Bundle bundle = Bundle.read(folder);
        PipelineOptions batched = PipelineOptions.builder().device(settings.device()).build();
        PipelineOptions single = batched.toBuilder().maxBatchRows(1).build();
        // Our leases keep the sessions loaded between the turns.
        try (RawCeiling raw = new RawCeiling(bundle, batched);
                InferencePipeline shared = InferencePipeline.acquire(folder, batched);
                InferencePipeline alone = InferencePipeline.acquire(folder, single)) {
            List<String> texts = texts(raw);
            List<TokenizedText> tokenized = raw.tokenize(texts);
            String topic = "bench-events-" + task.label();
            preload(bootstrapServers, topic, texts);
            Map<Mode, List<Turn>> turns = new EnumMap<>(Mode.class);
            for (int round = 1; round <= settings.rounds(); round++) {
                for (Mode mode : Mode.values()) {
                    screen.status(
                            bundle.manifest().name()
                                    + ": round "
                                    + round
                                    + " of "
                                    + settings.rounds()
                                    + ", "
                                    + mode.label
                                    + "…");
                    Turn turn =
                            switch (mode) {
                                case RAW -> raw.run(tokenized);
                                case END_TO_END ->
                                        job.run(topic, folder, task, batched, shared, texts.size());
                                case SINGLE ->
                                        job.run(topic, folder, task, single, alone, texts.size());
                            };
                    turns.computeIfAbsent(mode, m -> new ArrayList<>()).add(turn);
                    write(bundle, shared.variant(), mode, round, turn);
                }
            }
            screen.clearStatus();
            report(bundle.manifest(), shared.variant(), raw.device(), tokenized, turns);
        }
    }

    /** As many texts as a turn takes, in a mixed order that is the same each time. */
    private List<String> texts(RawCeiling raw) throws Exception {
        int records;
        if (settings.records() != null) {
            records = settings.records();
        } else {
            List<TokenizedText> trial = raw.tokenize(mixed(CALIBRATION_TEXTS));
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
        new Topics(topic, topic, topic, topic)
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
            List<java.util.concurrent.Future<?>> sent = new ArrayList<>(texts.size());
            for (int i = 0; i < texts.size(); i++) {
                String id = Integer.toString(i + 1);
                byte[] text = texts.get(i).getBytes(StandardCharsets.UTF_8);
                sent.add(
                        producer.send(
                                new ProducerRecord<>(
                                        topic,
                                        i % settings.parallelism(),
                                        id.getBytes(StandardCharsets.UTF_8),
                                        Feeder.encode(id, text, System.currentTimeMillis()))));
            }
            for (java.util.concurrent.Future<?> one : sent) {
                one.get();
            }
        }
    }

    private void write(Bundle bundle, String variant, Mode mode, int round, Turn turn) {
        ObjectNode node = JSON.createObjectNode();
        node.put("kind", "turn")
                .put("bundle", bundle.manifest().name())
                .put("version", bundle.manifest().version())
                .put("variant", variant)
                .put("mode", mode.label)
                .put("round", round);
        turn.write(node);
        json.println(node);
        json.flush();
    }

    private void report(
            Manifest manifest,
            String variant,
            String device,
            List<TokenizedText> texts,
            Map<Mode, List<Turn>> turns) {
        int longest = texts.stream().mapToInt(TokenizedText::length).max().orElse(0);
        double mean = texts.stream().mapToInt(TokenizedText::length).average().orElse(0);
        screen.line("");
        screen.line(
                screen.paint(
                        Screen.Style.BOLD,
                        manifest.name()
                                + " "
                                + manifest.version()
                                + " "
                                + variant
                                + " on "
                                + device));
        screen.line(
                String.format(
                        Locale.ROOT,
                        "%,d texts a turn, %.1f tokens on average, at most %d; medians of %d rounds",
                        texts.size(),
                        mean,
                        longest,
                        settings.rounds()));
        screen.line(
                String.format(
                        "  %-20s %10s %10s %9s %15s",
                        "", "texts/s", "tokens/s", "padding", "of the ceiling"));
        ObjectNode summary = JSON.createObjectNode();
        summary.put("kind", "median").put("bundle", manifest.name()).put("variant", variant);
        for (Mode mode : Mode.values()) {
            List<Turn> own = turns.get(mode);
            double share = ratio(own, turns.get(Mode.RAW));
            screen.line(
                    String.format(
                            Locale.ROOT,
                            "  %-20s %,10.0f %,10.0f %7.1f %% %15.2f",
                            mode.label,
                            median(own, Turn::textsPerSecond),
                            median(own, Turn::tokensPerSecond),
                            100 * median(own, Turn::paddingShare),
                            share));
            summary.put(mode.label.replace(' ', '_'), median(own, Turn::textsPerSecond));
        }
        double ceiling = ratio(turns.get(Mode.END_TO_END), turns.get(Mode.RAW));
        double gain = ratio(turns.get(Mode.END_TO_END), turns.get(Mode.SINGLE));
        screen.line(
                String.format(
                        Locale.ROOT,
                        "  end to end is %.2f of the raw ceiling and %.2f x one call per record",
                        ceiling,
                        gain));
        json.println(summary.put("of_the_ceiling", ceiling).put("of_single_calls", gain));
        json.flush();
    }

    /** The median over the rounds of a round's own ratio: a noisy minute concerns both sides. */
    private static double ratio(List<Turn> turns, List<Turn> to) {
        List<Double> ratios = new ArrayList<>();
        for (int i = 0; i < turns.size(); i++) {
            ratios.add(turns.get(i).textsPerSecond() / to.get(i).textsPerSecond());
        }
        return median(ratios);
    }

    private static double median(List<Turn> turns, ToDoubleFunction<Turn> figure) {
        return median(new ArrayList<>(turns.stream().mapToDouble(figure).boxed().toList()));
    }

    private static double median(List<Double> values) {
        Collections.sort(values);
        int middle = values.size() / 2;
        return values.size() % 2 == 1
                ? values.get(middle)
                : (values.get(middle - 1) + values.get(middle)) / 2;
    }
}
