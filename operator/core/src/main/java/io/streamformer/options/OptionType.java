package io.streamformer.options;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.apache.flink.annotation.Public;

/**
 * What values an option takes, and how they are written as text. {@link #parse} reads what {@link
 * #write} wrote.
 *
 * @param <T> the values; serializable and immutable
 */
@Public
public final class OptionType<T> {

    public static final OptionType<String> STRING =
            new OptionType<>("string", text -> text, text -> text);

    public static final OptionType<Boolean> BOOLEAN =
            new OptionType<>("true or false", OptionType::parseBoolean, String::valueOf);

    public static final OptionType<Integer> INTEGER =
            new OptionType<>("integer", Integer::valueOf, String::valueOf);

    public static final OptionType<Float> FLOAT =
            new OptionType<>("number", Float::valueOf, String::valueOf);

    /** A length of time, such as {@code 3 ms}, {@code 90 s} or {@code 2 min}. */
    public static final OptionType<Duration> DURATION =
            new OptionType<>("duration", OptionType::parseDuration, OptionType::writeDuration);

    /** A number of bytes, such as {@code 64 mb}; a bare number is in bytes. */
    public static final OptionType<Long> BYTES =
            new OptionType<>("size", OptionType::parseBytes, OptionType::writeBytes);

    /** Texts with semicolons between. */
    public static final OptionType<List<String>> STRINGS = listOf("strings", text -> text);

    /** Integers with semicolons between. */
    public static final OptionType<List<Integer>> INTEGERS = listOf("integers", Integer::valueOf);

    /**
     * Names with values: {@code name:value} or {@code name=value} with commas between. A value that
     * has a comma or a quote is put in double quotes, in which a double quote is written twice.
     */
    public static final OptionType<Map<String, String>> MAP =
            new OptionType<>("map", OptionType::parseMap, OptionType::writeMap);

    private static final Pattern MEASURE = Pattern.compile("(\\d+)\\s*([a-z]*)");

    private static final Map<String, Long> NANOS =
            Map.of(
                    "ns", 1L,
                    "us", 1_000L,
                    "ms", 1_000_000L,
                    "s", 1_000_000_000L,
                    "min", 60_000_000_000L,
                    "h", 3_600_000_000_000L,
                    "d", 86_400_000_000_000L);

    private static final Map<String, Long> BYTE_UNITS =
            Map.of("b", 1L, "bytes", 1L, "kb", 1L << 10, "mb", 1L << 20, "gb", 1L << 30);

    private final String name;
    private final Function<String, T> reader;
    private final Function<T, String> writer;

    private OptionType(String name, Function<String, T> reader, Function<T, String> writer) {
        this.name = name;
        this.reader = reader;
        this.writer = writer;
    }

    /** Values of an enum, written in lower case with hyphens. */
    public static <E extends Enum<E>> OptionType<E> oneOf(Class<E> values) {
        List<E> constants = List.of(values.getEnumConstants());
        String names = constants.stream().map(OptionType::nameOf).collect(Collectors.joining(", "));
        return new OptionType<>(
                names,
                text ->
                        constants.stream()
                                .filter(one -> nameOf(one).equals(lower(text).replace('_', '-')))
                                .findFirst()
                                .orElseThrow(() -> new IllegalArgumentException(text)),
                OptionType::nameOf);
    }

    /** Values of another class, with a reader and a writer of its own. */
    public static <T> OptionType<T> of(String name, Function<String, T> reader) {
        return new OptionType<>(name, reader, String::valueOf);
    }

    /** What the docs call it. */
    public String name() {
        return name;
    }

    /**
     * Reads a value.
     *
     * @throws IllegalArgumentException if the text is no such value
     */
    public T parse(String text) {
        return reader.apply(text.strip());
    }

    public String write(T value) {
        return writer.apply(value);
    }

    private static <T> OptionType<List<T>> listOf(String name, Function<String, T> reader) {
        return new OptionType<>(
                name,
                text ->
                        Arrays.stream(text.split(";"))
                                .map(String::strip)
                                .filter(part -> !part.isEmpty())
                                .map(reader)
                                .toList(),
                list -> list.stream().map(String::valueOf).collect(Collectors.joining(";")));
    }

    private static String nameOf(Enum<?> constant) {
        return lower(constant.name()).replace('_', '-');
    }

    private static String lower(String text) {
        return text.toLowerCase(Locale.ROOT);
    }

    private static Boolean parseBoolean(String text) {
        return switch (lower(text)) {
            case "true" -> true;
            case "false" -> false;
            default -> throw new IllegalArgumentException(text);
        };
    }

    private static Duration parseDuration(String text) {
        // A bare number is in milliseconds, as in Flink.
        return Duration.ofNanos(parseMeasure(text, NANOS, "ms"));
    }

    private static String writeDuration(Duration value) {
        return value.isZero() ? "0 ms" : writeMeasure(value.toNanos(), NANOS, "ns");
    }

    private static Long parseBytes(String text) {
        return parseMeasure(text, BYTE_UNITS, "bytes");
    }

    private static String writeBytes(Long value) {
        return writeMeasure(value, BYTE_UNITS, "bytes");
    }

    private static long parseMeasure(String text, Map<String, Long> units, String bareUnit) {
        Matcher matcher = MEASURE.matcher(lower(text));
        if (!matcher.matches()) {
            throw new IllegalArgumentException(text);
        }
        String unit = matcher.group(2).isEmpty() ? bareUnit : matcher.group(2);
        if (!units.containsKey(unit)) {
            throw new IllegalArgumentException(text);
        }
        return Math.multiplyExact(Long.parseLong(matcher.group(1)), units.get(unit));
    }

    /** The value in the largest unit that divides it; {@code smallest} is the unit of 1. */
    private static String writeMeasure(long value, Map<String, Long> units, String smallest) {
        return units.entrySet().stream()
                .filter(unit -> unit.getValue() > 1 && value != 0 && value % unit.getValue() == 0)
                .max(Map.Entry.comparingByValue())
                .map(unit -> value / unit.getValue() + " " + unit.getKey())
                .orElse(value + " " + smallest);
    }

    private static Map<String, String> parseMap(String text) {
        SortedMap<String, String> values = new TreeMap<>();
        for (String entry : entries(text)) {
            int at = separator(entry);
            if (at < 1) {
                throw new IllegalArgumentException(entry);
            }
            String value = entry.substring(at + 1).strip();
            if (value.length() > 1 && value.startsWith("\"") && value.endsWith("\"")) {
                value = value.substring(1, value.length() - 1).replace("\"\"", "\"");
            }
            values.put(entry.substring(0, at).strip(), value);
        }
        return values;
    }

    /** The parts between the commas that are not in quotes. */
    private static List<String> entries(String text) {
        List<String> found = new ArrayList<>();
        boolean quoted = false;
        int start = 0;
        for (int i = 0; i < text.length(); i++) {
            if (text.charAt(i) == '"') {
                quoted = !quoted;
            } else if (text.charAt(i) == ',' && !quoted) {
                found.add(text.substring(start, i));
                start = i + 1;
            }
        }
        if (quoted) {
            throw new IllegalArgumentException(text);
        }
        found.add(text.substring(start));
        return found.stream().filter(entry -> !entry.isBlank()).toList();
    }

    private static int separator(String entry) {
        for (int i = 0; i < entry.length(); i++) {
            if (entry.charAt(i) == ':' || entry.charAt(i) == '=') {
                return i;
            }
        }
        return -1;
    }

    private static String writeMap(Map<String, String> values) {
        return new TreeMap<>(values)
                .entrySet().stream()
                        .map(entry -> entry.getKey() + ":" + quoted(entry.getValue()))
                        .collect(Collectors.joining(","));
    }

    private static String quoted(String value) {
        boolean plain =
                value.equals(value.strip()) && value.indexOf(',') < 0 && value.indexOf('"') < 0;
        return plain ? value : "\"" + value.replace("\"", "\"\"") + "\"";
    }
}
