package io.streamformer.local.bench;

import java.util.List;
import java.util.Locale;
import java.util.function.ToDoubleFunction;
import java.util.stream.Collectors;

/**
 * Throughput and latency over the offered load as an SVG: a row per bundle, latency on a
 * logarithmic axis. Drawn by hand: libraries for charts stand on AWT, which a headless JDK may lack
 * fonts for.
 */
final class LoadPicture {

    private static final int WIDTH = 960;
    private static final int ROW = 300;
    private static final int PLOT_WIDTH = 330;
    private static final int PLOT_HEIGHT = 190;
    private static final int TOP = 62;
    private static final String BLUE = "#2a6fb0";
    private static final String ORANGE = "#d9730d";
    private static final String GREY = "#767676";

    private final StringBuilder svg = new StringBuilder();

    private LoadPicture() {}

    /** A picture of these curves, one below the other. */
    static String svg(List<LoadCurve> curves) {
        LoadPicture picture = new LoadPicture();
        picture.add(
                "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 %d %d' font-size='12'"
                        + " font-family='Helvetica, Arial, sans-serif' fill='#222'>",
                WIDTH, ROW * curves.size());
        picture.add("<rect width='100%%' height='100%%' fill='#fff'/>");
        for (int i = 0; i < curves.size(); i++) {
            picture.row(curves.get(i), i * ROW);
        }
        picture.add("</svg>");
        return picture.svg.toString();
    }

    private void row(LoadCurve curve, int y) {
        text(60, y + 26, "start", "#222", "<tspan font-weight='bold'>%s</tspan>", escape(curve));
        double most =
                Math.max(
                        curve.sustained(),
                        curve.points().stream().mapToDouble(LoadPoint::offered).max().orElse(0));
        Axis offered = Axis.linear(most, PLOT_WIDTH);
        Axis answered = Axis.linear(most, PLOT_HEIGHT);
        frame(60, y + TOP, "answers per second", offered, answered);
        mark(60, y + TOP, answered, curve.sustained(), "sustained");
        line(60, y + TOP, BLUE, "", curve, offered, answered, LoadPoint::achieved);

        Axis latency =
                Axis.logarithmic(
                        Math.min(
                                curve.fullBatchMillis(),
                                curve.points().stream()
                                        .mapToDouble(LoadPoint::p50)
                                        .min()
                                        .orElse(1)),
                        curve.points().stream().mapToDouble(LoadPoint::p99).max().orElse(1),
                        PLOT_HEIGHT);
        frame(510, y + TOP, "latency in ms", offered, latency);
        mark(510, y + TOP, latency, curve.fullBatchMillis(), "one full batch");
        line(510, y + TOP, BLUE, "p50", curve, offered, latency, LoadPoint::p50);
        line(510, y + TOP, ORANGE, "p99", curve, offered, latency, LoadPoint::p99);
    }

    /** Grid, labels and titles of a plot. */
    private void frame(int x, int y, String title, Axis across, Axis up) {
        text(x, y - 14, "start", GREY, "%s", title);
        for (double tick : up.ticks()) {
            double at = y + PLOT_HEIGHT - up.at(tick);
            add("<path d='M%d %.1fh%d' stroke='#e4e4e4'/>", x, at, PLOT_WIDTH);
            text(x - 8, at + 4, "end", GREY, "%s", label(tick));
        }
        for (double tick : across.ticks()) {
            text(x + across.at(tick), y + PLOT_HEIGHT + 18, "middle", GREY, "%s", label(tick));
        }
        add("<path d='M%d %dh%d' stroke='#999'/>", x, y + PLOT_HEIGHT, PLOT_WIDTH);
        text(
                x + PLOT_WIDTH / 2.0,
                y + PLOT_HEIGHT + 36,
                "middle",
                GREY,
                "%s",
                "offered events per second");
    }

    /** A dashed line to compare with. */
    private void mark(int x, int y, Axis up, double value, String name) {
        double at = y + PLOT_HEIGHT - up.at(value);
        add("<path d='M%d %.1fh%d' stroke='%s' stroke-dasharray='5 4'/>", x, at, PLOT_WIDTH, GREY);
        text(x + PLOT_WIDTH + 6, at + 4, "start", GREY, "%s", name);
    }

    private void line(
            int x,
            int y,
            String colour,
            String name,
            LoadCurve curve,
            Axis across,
            Axis up,
            ToDoubleFunction<LoadPoint> figure) {
        List<double[]> points =
                curve.points().stream()
                        .map(
                                point ->
                                        new double[] {
                                            x + across.at(point.offered()),
                                            y + PLOT_HEIGHT - up.at(figure.applyAsDouble(point))
                                        })
                        .toList();
        add(
                "<polyline points='%s' fill='none' stroke='%s' stroke-width='2'/>",
                points.stream()
                        .map(p -> String.format(Locale.ROOT, "%.1f,%.1f", p[0], p[1]))
                        .collect(Collectors.joining(" ")),
                colour);
        for (double[] p : points) {
            add("<circle cx='%.1f' cy='%.1f' r='4' fill='%s'/>", p[0], p[1], colour);
        }
        double[] last = points.get(points.size() - 1);
        text(last[0] + 9, last[1] + 4, "start", colour, "%s", name);
    }

    private void text(
            double x, double y, String anchor, String colour, String format, Object what) {
        add("<text x='%.1f' y='%.1f' text-anchor='%s' fill='%s'>", x, y, anchor, colour);
        add(format, what);
        add("</text>");
    }

    private static String label(double tick) {
        return String.format(Locale.ROOT, tick > 0 && tick < 1 ? "%.1f" : "%,.0f", tick);
    }

    /** A bundle's name has no characters that XML minds, its version may. */
    private static String escape(LoadCurve curve) {
        return curve.bundle().replace("&", "&amp;").replace("<", "&lt;");
    }

    private void add(String format, Object... values) {
        svg.append(String.format(Locale.ROOT, format, values)).append('\n');
    }
}
