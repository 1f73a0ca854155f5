package io.streamformer.local.bench;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.streamformer.local.Screen;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.ToDoubleFunction;

/** The turns of one bundle: a line per round, medians at the end, and all of it as JSON lines. */
final class BenchReport {

    private final String bundle;
    private final BenchStage stage;
    private final Screen screen;
    private final Map<BenchMode, List<Turn>> turns = new EnumMap<>(BenchMode.class);

    /**
     * A report.
     *
     * @param bundle name, version and variant
     * @param modes what takes turns
     */
    BenchReport(String bundle, List<BenchMode> modes, BenchStage stage) {
        this.bundle = bundle;
        this.stage = stage;
        this.screen = stage.screen();
        for (BenchMode mode : modes) {
            turns.put(mode, new ArrayList<>());
        }
    }

    void add(BenchMode mode, int round, Turn turn) {
        turns.get(mode).add(turn);
        ObjectNode node =
                BenchStage.node("turn")
                        .put("bundle", bundle)
                        .put("mode", mode.label())
                        .put("round", round);
        turn.write(node);
        stage.print(node);
    }

    /** One line about the round that has just ended. */
    void round(int round) {
        StringBuilder line = new StringBuilder("  round ").append(round).append(':');
        turns.forEach(
                (mode, own) ->
                        line.append(mode == BenchMode.RAW ? " " : ", ")
                                .append(mode.label())
                                .append(
                                        String.format(
                                                Locale.ROOT,
                                                " %,.0f/s",
                                                own.get(own.size() - 1).textsPerSecond())));
        screen.line(screen.paint(Screen.Style.DIM, line.toString()));
    }

    /** The medians over the rounds. */
    void medians() {
        screen.line(
                String.format(
                        Locale.ROOT,
                        "  %-20s %10s %10s %9s %15s",
                        "",
                        "texts/s",
                        "tokens/s",
                        "padding",
                        "of the ceiling"));
        ObjectNode node = BenchStage.node("medians").put("bundle", bundle);
        for (BenchMode mode : turns.keySet()) {
            List<Turn> own = turns.get(mode);
            screen.line(
                    String.format(
                            Locale.ROOT,
                            "  %-20s %,10.0f %,10.0f %7.1f %% %15.2f",
                            mode.label(),
                            median(own, Turn::textsPerSecond),
                            median(own, Turn::tokensPerSecond),
                            100 * median(own, Turn::paddingShare),
                            turns.containsKey(BenchMode.RAW)
                                    ? ratio(mode, BenchMode.RAW)
                                    : Double.NaN));
            node.putObject(mode.label())
                    .put("texts_per_second", median(own, Turn::textsPerSecond))
                    .put("tokens_per_second", median(own, Turn::tokensPerSecond))
                    .put("padding_share", median(own, Turn::paddingShare));
        }
        Map<BenchMode, String> beside = new EnumMap<>(BenchMode.class);
        beside.put(BenchMode.RAW, "of_the_ceiling");
        beside.put(BenchMode.SINGLE, "of_batches_of_one");
        beside.put(BenchMode.MAP, "of_one_call_at_a_time");
        beside.keySet().retainAll(turns.keySet());
        if (turns.containsKey(BenchMode.END_TO_END)) {
            beside.forEach(
                    (mode, name) -> {
                        double ratio = ratio(BenchMode.END_TO_END, mode);
                        node.put(name, ratio);
                        screen.line(
                                String.format(
                                        Locale.ROOT,
                                        "  End to end is %.2f times %s.",
                                        ratio,
                                        mode.label()));
                    });
        }
        stage.print(node);
    }

    /** The median over the rounds of a round's own ratio: a noisy minute concerns both sides. */
    private double ratio(BenchMode mode, BenchMode to) {
        List<Double> ratios = new ArrayList<>();
        for (int i = 0; i < turns.get(mode).size(); i++) {
            ratios.add(
                    turns.get(mode).get(i).textsPerSecond()
                            / turns.get(to).get(i).textsPerSecond());
        }
        return median(ratios);
    }

    private static double median(List<Turn> turns, ToDoubleFunction<Turn> figure) {
        return median(turns.stream().mapToDouble(figure).boxed().toList());
    }

    static double median(List<Double> values) {
        List<Double> sorted = new ArrayList<>(values);
        Collections.sort(sorted);
        int middle = sorted.size() / 2;
        return sorted.size() % 2 == 1
                ? sorted.get(middle)
                : (sorted.get(middle - 1) + sorted.get(middle)) / 2;
    }
}
