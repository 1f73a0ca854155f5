package io.streamformer.local.bench;

import java.util.ArrayList;
import java.util.List;

/** An axis of a picture: values to pixels, with ticks at round values. */
record Axis(double from, double to, boolean logarithmic, int pixels) {

    /** Ticks that a linear axis has at most, besides 0. */
    private static final int TICKS = 5;

    Axis {
        if (!(from < to) || (logarithmic && !(from > 0)) || pixels < 1) {
            throw new IllegalArgumentException(
                    "An axis must ascend, a logarithmic one from above 0, not "
                            + from
                            + " to "
                            + to);
        }
    }

    /** From 0 to a round value that is at least the given one. */
    static Axis linear(double most, int pixels) {
        double step = step(most);
        return new Axis(0, Math.ceil(most / step) * step, false, pixels);
    }

    /** From a power of ten that is at most the least value to 1, 2 or 5 times such a power. */
    static Axis logarithmic(double least, double most, int pixels) {
        double from = Math.pow(10, Math.floor(Math.log10(least)));
        double to = Math.pow(10, Math.floor(Math.log10(most)));
        double factor = most / to <= 2 ? 2 : most / to <= 5 ? 5 : 10;
        return new Axis(from, to * factor, true, pixels);
    }

    /** Pixels from the start of the axis. */
    double at(double value) {
        return pixels
                * (logarithmic
                        ? Math.log(value / from) / Math.log(to / from)
                        : (value - from) / (to - from));
    }

    /** Round values on the axis, its start included. */
    List<Double> ticks() {
        List<Double> ticks = new ArrayList<>();
        if (logarithmic) {
            for (double decade = from; decade <= to * 1.001; decade *= 10) {
                for (int factor : new int[] {1, 2, 5}) {
                    if (decade * factor <= to * 1.001) {
                        ticks.add(decade * factor);
                    }
                }
            }
        } else {
            double step = step(to);
            for (int i = 0; i * step <= to * 1.001; i++) {
                ticks.add(i * step);
            }
        }
        return ticks;
    }

    /** 1, 2 or 5 times a power of ten. */
    private static double step(double most) {
        double power = Math.pow(10, Math.floor(Math.log10(most / TICKS)));
        double rest = most / TICKS / power;
        return power * (rest <= 1 ? 1 : rest <= 2 ? 2 : rest <= 5 ? 5 : 10);
    }
}
