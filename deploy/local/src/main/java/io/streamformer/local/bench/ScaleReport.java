package io.streamformer.local.bench;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.streamformer.local.Screen;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** The matrix of one bundle: medians and their share of the best, and all of it as JSON lines. */
final class ScaleReport {

    /** A place in the matrix. */
    record Cell(int parallelism, int bundles) {

        void write(ObjectNode node) {
            node.put("parallelism", parallelism).put("bundles", bundles);
        }
    }

    private final String bundle;
    private final BenchStage stage;
    private final Map<Cell, List<Double>> rates = new LinkedHashMap<>();

    /**
     * A report.
     *
     * @param bundle name, version and variant
     */
    ScaleReport(String bundle, BenchStage stage) {
        this.bundle = bundle;
        this.stage = stage;
    }

    void add(Cell cell, int round, Turn turn) {
        rates.computeIfAbsent(cell, unused -> new ArrayList<>()).add(turn.textsPerSecond());
        ObjectNode node = node("scale", cell).put("round", round);
        turn.write(node);
        stage.print(node);
    }

    /** The medians over the rounds: a line for each parallelism. */
    void medians(int answers, int rounds) {
        Map<Cell, Double> medians = new LinkedHashMap<>();
        rates.forEach((cell, own) -> medians.put(cell, BenchReport.median(own)));
        double best = Collections.max(medians.values());
        Screen screen = stage.screen();
        screen.clearStatus();
        screen.line(
                String.format(
                        Locale.ROOT,
                        "%,d answers a turn; answers/s and their share of the best; medians of %d"
                                + " rounds",
                        answers,
                        rounds));
        Map<Integer, StringBuilder> lines = new LinkedHashMap<>();
        StringBuilder head = new StringBuilder("  parallelism");
        medians.keySet().stream()
                .map(Cell::bundles)
                .distinct()
                .forEach(count -> head.append(String.format("%16s", heading(count))));
        screen.line(head.toString());
        medians.forEach(
                (cell, rate) -> {
                    lines.computeIfAbsent(cell.parallelism(), ScaleReport::line)
                            .append(
                                    String.format(
                                            Locale.ROOT, " %,8.0f (%.2f)", rate, rate / best));
                    stage.print(
                            node("scale median", cell)
                                    .put("answers_per_second", rate)
                                    .put("of_the_best", rate / best));
                });
        lines.values().forEach(line -> screen.line(line.toString()));
    }

    private static String heading(int bundles) {
        return bundles == 1 ? "1 bundle" : bundles + " bundles";
    }

    private static StringBuilder line(int parallelism) {
        return new StringBuilder(String.format(Locale.ROOT, "  %11d", parallelism));
    }

    private ObjectNode node(String kind, Cell cell) {
        ObjectNode node = BenchStage.node(kind).put("bundle", bundle);
        cell.write(node);
        return node;
    }
}
