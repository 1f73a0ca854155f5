package io.streamformer.flink;

import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.description.HtmlFormatter;
import org.apache.flink.util.MultipleParameterTool;

/** The options as text: read from a command line, written as its manual and as the docs' table. */
final class OptionsText {

    private static final String NO_VALUE = "__NO_VALUE_KEY";

    private OptionsText() {}

    /** An option and what its values are. */
    record Declared(ConfigOption<?> option, String type) {

        String defaultValue() {
            Object value = option.defaultValue();
            if (value == null || value.equals(Map.of()) || value.equals(List.of())) {
                return "";
            }
            return written(option, value);
        }

        private static <T> String written(ConfigOption<T> option, Object value) {
            Configuration configuration = new Configuration();
            @SuppressWarnings("unchecked") // the option's own default
            T own = (T) value;
            configuration.set(option, own);
            return configuration.toMap().get(option.key()).toLowerCase(Locale.ROOT);
        }

        String description() {
            return new HtmlFormatter().format(option.description());
        }
    }

    /** The options of {@link JobOptions}, read off its constants so that none is listed twice. */
    static List<Declared> declared() {
        List<Declared> options = new ArrayList<>();
        for (Field field : JobOptions.class.getDeclaredFields()) {
            if (Modifier.isPublic(field.getModifiers()) && field.getType() == ConfigOption.class) {
                Type value =
                        ((ParameterizedType) field.getGenericType()).getActualTypeArguments()[0];
                try {
                    options.add(new Declared((ConfigOption<?>) field.get(null), simpleName(value)));
                } catch (IllegalAccessException e) {
                    throw new AssertionError("the constant is public: this is a bug", e);
                }
            }
        }
        return options;
    }

    private static String simpleName(Type type) {
        if (type instanceof ParameterizedType list) {
            return ((Class<?>) list.getRawType()).getSimpleName();
        }
        Class<?> simple = (Class<?>) type;
        if (!simple.isEnum()) {
            return simple.getSimpleName();
        }
        List<String> names = new ArrayList<>();
        for (Object constant : simple.getEnumConstants()) {
            names.add(constant.toString().toLowerCase(Locale.ROOT));
        }
        return String.join(", ", names);
    }

    /** A command line as a configuration; a list may repeat its option. */
    static Configuration parse(String... args) {
        Configuration configuration = new Configuration();
        Map<String, Collection<String>> values = MultipleParameterTool.fromArgs(args).toMultiMap();
        values.forEach(
                (key, all) -> {
                    if (all.contains(NO_VALUE)) {
                        throw new IllegalArgumentException(
                                "Every option has a value, seen none for --"
                                        + key
                                        + ": write --"
                                        + key
                                        + " VALUE");
                    }
                    if (all.size() > 1 && !key.equals(JobOptions.BUNDLES.key())) {
                        throw new IllegalArgumentException(
                                "Only --"
                                        + JobOptions.BUNDLES.key()
                                        + " may be repeated, seen --"
                                        + key
                                        + " "
                                        + all.size()
                                        + " times: keep one");
                    }
                    configuration.setString(key, String.join(";", all));
                });
        return configuration;
    }

    static String help() {
        StringBuilder text =
                new StringBuilder(
                        """
                        Runs Transformer models over a Kafka topic of texts.

                        Usage: StreamformerJob --bootstrap-servers HOST:PORT --bundles PATH [--key value]...

                        An option model.x holds for every bundle, model.<bundle name>.x for one.

                        """);
        for (Declared declared : declared()) {
            text.append("  --").append(declared.option().key());
            text.append("  (").append(declared.type());
            if (!declared.defaultValue().isEmpty()) {
                text.append("; ").append(declared.defaultValue());
            }
            text.append(")\n      ").append(declared.description()).append('\n');
        }
        return text.toString();
    }

    /** The table of operator/docs/options.md. */
    static String markdown() {
        StringBuilder text =
                new StringBuilder("| option | type | default | |\n| --- | --- | --- | --- |\n");
        for (Declared declared : declared()) {
            text.append("| `").append(declared.option().key()).append("` | ");
            text.append(declared.type()).append(" | ");
            if (!declared.defaultValue().isEmpty()) {
                text.append('`').append(declared.defaultValue()).append("` ");
            }
            text.append("| ").append(declared.description()).append(" |\n");
        }
        return text.toString();
    }
}
