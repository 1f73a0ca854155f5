package io.streamformer.local;

import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import java.util.concurrent.Callable;

/**
 * What the user sees: steps, lines and one of totals that stays at the bottom of a terminal; plain
 * lines where the output is no terminal.
 */
public final class Screen {

    private static final String ERASE_LINE = "\r\u001b[K";
    private static final int ZERO_WIDTH_JOINER = 0x200d; // holds a family of emoji together
    private static final String RESET = "\u001b[0m";

    /** How a word is highlighted. */
    public enum Style {
        GOOD("\u001b[32m"),
        BAD("\u001b[31m"),
        DIM("\u001b[2m"),
        BOLD("\u001b[1m");

        private final String code;

        Style(String code) {
            this.code = code;
        }
    }

    private final PrintStream out;
    private final boolean terminal;
    private final boolean colour;
    private final int columns;
    private String status = "";

    public Screen(PrintStream out, boolean terminal, boolean colour, int columns) {
        this.out = out;
        this.terminal = terminal;
        this.colour = colour;
        this.columns = columns;
    }

    /**
     * A screen on a stream of this process, as the launcher describes it.
     *
     * @param name {@code stdout} or {@code stderr}
     */
    public static Screen of(PrintStream stream, String name) {
        boolean terminal = Boolean.getBoolean("streamformer." + name + ".terminal");
        return new Screen(
                new PrintStream(stream, false, StandardCharsets.UTF_8),
                terminal,
                terminal && System.getenv("NO_COLOR") == null,
                Integer.getInteger("streamformer.columns", 100));
    }

    /** Width of a line. */
    public int columns() {
        return columns;
    }

    /** True where a person looks at it. */
    public boolean isTerminal() {
        return terminal;
    }

    /** Runs a long step: says that it began, then how it ended and how long it took. */
    public synchronized <T> T step(String doing, Callable<Step<T>> work) throws Exception {
        long start = System.nanoTime();
        out.print(doing + "… ");
        out.flush();
        try {
            Step<T> step = work.call();
            out.printf(
                    Locale.ROOT,
                    "%s%s%n",
                    step.result(),
                    paint(
                            Style.DIM,
                            String.format(
                                    Locale.ROOT, " (%.1f s)", (System.nanoTime() - start) / 1e9)));
            return step.value();
        } catch (Exception e) {
            out.println();
            throw e;
        } finally {
            out.flush();
        }
    }

    /** What a step gave, in words and as a value. */
    public record Step<T>(String result, T value) {}

    /** Prints a line above the totals. */
    public synchronized void line(String line) {
        out.println((terminal && !status.isEmpty() ? ERASE_LINE : "") + line);
        if (terminal) {
            out.print(status);
        }
        out.flush();
    }

    /** Replaces the totals at the bottom of a terminal; nothing elsewhere. */
    public synchronized void status(String line) {
        if (terminal) {
            status = paint(Style.DIM, cut(line, columns - 1));
            out.print(ERASE_LINE + status);
            out.flush();
        }
    }

    /** Takes the totals away from the bottom. */
    public synchronized void clearStatus() {
        if (terminal && !status.isEmpty()) {
            out.print(ERASE_LINE);
            out.flush();
        }
        status = "";
    }

    /** The text in a style, where there are colours. */
    public String paint(Style style, String text) {
        return colour ? style.code + text + RESET : text;
    }

    /** The text without what would move the cursor; a text is not trusted with the terminal. */
    public static String printable(String text) {
        StringBuilder safe = new StringBuilder();
        text.codePoints()
                // More than any terminal shows: a text of 1 MB is not walked through.
                .limit(4096)
                .forEach(c -> safe.appendCodePoint(isShown(c) ? c : '·'));
        return safe.toString();
    }

    private static boolean isShown(int codePoint) {
        if (codePoint == ZERO_WIDTH_JOINER) {
            return true;
        }
        return switch (Character.getType(codePoint)) {
            case Character.CONTROL,
                    Character.FORMAT,
                    Character.SURROGATE,
                    Character.LINE_SEPARATOR,
                    Character.PARAGRAPH_SEPARATOR ->
                    false;
            default -> true;
        };
    }

    /** The text, or as much of it as a terminal shows in a width. */
    public String cut(String text, int width) {
        if (!terminal || text.codePointCount(0, text.length()) <= width) {
            return text;
        }
        int wanted = Math.max(1, width - 1);
        return text.substring(0, text.offsetByCodePoints(0, wanted)) + "…";
    }
}
