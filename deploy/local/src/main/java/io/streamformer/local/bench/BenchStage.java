package io.streamformer.local.bench;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.streamformer.bundle.Manifest;
import io.streamformer.engine.InferencePipeline;
import io.streamformer.inference.ModelInput;
import io.streamformer.local.EmbeddedKafka;
import io.streamformer.local.LocalCluster;
import io.streamformer.local.LocalSteps;
import io.streamformer.local.Machine;
import io.streamformer.local.Screen;
import io.streamformer.local.Topics;
import io.streamformer.options.Options;
import java.io.IOException;
import java.io.PrintStream;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** What every benchmark needs: broker, cluster, texts, and where its figures go. */
final class BenchStage implements AutoCloseable {

    private static final JsonMapper JSON = new JsonMapper();

    private final List<String> texts;
    private final Options options;
    private final Screen screen;
    private final PrintStream json;
    private final EmbeddedKafka broker;
    private final LocalCluster cluster;

    /**
     * Starts broker and cluster.
     *
     * @param options how every bundle is run
     * @param slots most subtasks of an operator
     */
    BenchStage(List<String> texts, Options options, int slots, Screen screen, PrintStream json)
            throws Exception {
        this.texts = texts;
        this.options = options;
        this.screen = screen;
        this.json = json;
        ObjectNode machine = node("machine");
        for (String line : Machine.describe()) {
            screen.line(line);
            machine.withArray("machine").add(line);
        }
        print(machine);
        broker = LocalSteps.startBroker(screen);
        try {
            cluster = LocalSteps.startCluster(slots, screen);
        } catch (Exception e) {
            broker.close();
            throw e;
        }
    }

    String bootstrapServers() {
        return broker.bootstrapServers();
    }

    JobTurn jobs() {
        return new JobTurn(bootstrapServers(), cluster);
    }

    Screen screen() {
        return screen;
    }

    /** How every bundle is run: as a job runs it that sets little. */
    Options options() {
        return options;
    }

    /** So many texts in a mixed order that is the same each time. */
    List<String> texts(int count) {
        return TextMix.take(texts, count);
    }

    /** Texts without end, in the same order. */
    Iterator<String> mix() {
        return new TextMix(texts);
    }

    /** How many of the texts a session answers in some seconds. */
    int textsIn(int seconds, RawCeiling raw) throws Exception {
        return raw.textsIn(seconds, texts);
    }

    /** Fills a new topic with events. */
    void preload(String topic, int partitions, int count) throws Exception {
        Topics.create(bootstrapServers(), List.of(topic), partitions, Map.of());
        Iterator<String> mix = mix();
        try (EventSender sender = new EventSender(bootstrapServers(), topic)) {
            for (int i = 0; i < count; i++) {
                sender.send(mix.next(), List.of());
            }
            sender.flush();
        }
    }

    /** Name, version and variant of a bundle. */
    static String nameOf(InferencePipeline pipeline) {
        Manifest manifest = pipeline.bundle().manifest();
        return manifest.name() + " " + manifest.version() + " " + pipeline.variant();
    }

    /** Heads what is shown of a bundle. */
    void title(String title) {
        screen.line("");
        screen.line(screen.paint(Screen.Style.BOLD, title));
    }

    /** Says how long the texts of a measurement are. */
    static String lengths(List<ModelInput> texts) {
        return String.format(
                Locale.ROOT,
                "%,d texts a turn, %.1f tokens on average, at most %d",
                texts.size(),
                texts.stream().mapToInt(input -> input.text().length()).average().orElse(0),
                texts.stream().mapToInt(input -> input.text().length()).max().orElse(0));
    }

    /**
     * Says so where a turn is too short to tell how fast a job is.
     *
     * @param options those that make it longer
     */
    void warnIfTooShort(BenchJob job, int results, String options) {
        if (WarmUp.of(results, job.underWay()).tooShort()) {
            screen.line(
                    screen.paint(
                            Screen.Style.BAD,
                            String.format(
                                    Locale.ROOT,
                                    "A turn of %,d texts is too short and overstates the job, which"
                                            + " has up to %,d under way: take %,d or more (%s)",
                                    results,
                                    job.underWay(),
                                    WarmUp.leastResults(job.underWay()),
                                    options)));
        }
    }

    /** A line of the JSON output, still to be filled. */
    static ObjectNode node(String kind) {
        return JSON.createObjectNode().put("kind", kind);
    }

    /** Writes a line of the JSON output. */
    void print(ObjectNode node) {
        json.println(node);
        json.flush();
    }

    /** Says what memory the process took, and with what in it. */
    void memory(String with) throws IOException {
        String memory = Machine.memory();
        screen.line("");
        screen.line("Memory of this process, with " + with + ": " + memory);
        print(node("memory").put("memory", memory));
    }

    @Override
    public void close() {
        cluster.close();
        broker.close();
    }
}
