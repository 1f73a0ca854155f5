package io.streamformer.options;

import java.io.Serializable;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;
import org.apache.flink.annotation.Public;

/**
 * A setting, declared once. Its key on a command line, its row in the docs, its place in a job's
 * options, its check and the graph's input come from the declaration.
 *
 * @param <T> its values
 */
@Public
public final class Option<T> {

    /** Where an option may be set. */
    public enum Scope {
        /** Once for a job. */
        JOB(""),
        /** For every bundle of a job, or for one. */
        ROUTE("model."),
        /** Like {@link #ROUTE}, and an event may set its own. */
        EVENT("model.");

        private final String prefix;

        Scope(String prefix) {
            this.prefix = prefix;
        }
    }

    private final String name;
    private final OptionType<T> type;
    private final Scope scope;
    private final T defaultValue;
    private final String rule;
    private final Predicate<T> check;
    private final String graphInput;
    private final T neutral;
    private final String exportedWith;
    private final String help;

    private Option(Builder<T> builder, String help) {
        name = builder.name;
        type = builder.type;
        scope = builder.scope;
        defaultValue = builder.defaultValue;
        rule = builder.rule;
        check = builder.check;
        graphInput = builder.graphInput;
        neutral = builder.neutral;
        exportedWith = builder.exportedWith;
        this.help = help;
    }

    /**
     * Begins a declaration.
     *
     * @param name in lower case with hyphens, dots between groups; without the scope's prefix
     */
    public static <T> Builder<T> named(String name, Scope scope, OptionType<T> type) {
        return new Builder<>(name, scope, type);
    }

    /**
     * The options that are public constants of these classes, in the order of their declaration.
     */
    public static List<Option<?>> declaredIn(Class<?>... classes) {
        List<Option<?>> options = new ArrayList<>();
        for (Class<?> holder : classes) {
            for (Field field : holder.getDeclaredFields()) {
                if (Modifier.isPublic(field.getModifiers()) && field.getType() == Option.class) {
                    try {
                        options.add((Option<?>) field.get(null));
                    } catch (IllegalAccessException e) {
                        throw new AssertionError("the constant is public: this is a bug", e);
                    }
                }
            }
        }
        return List.copyOf(options);
    }

    /** The full name, such as {@code model.batch.max-rows}. */
    public String key() {
        return scope.prefix + name;
    }

    /** The name inside its scope, such as {@code batch.max-rows}. */
    public String name() {
        return name;
    }

    public Scope scope() {
        return scope;
    }

    public OptionType<T> type() {
        return type;
    }

    /** What holds where nothing is set; null where there is none, or where the bundle has it. */
    public T defaultValue() {
        return defaultValue;
    }

    /** One or two sentences: what it does, and when to change it. */
    public String help() {
        return help;
    }

    /** The graph's input of this option, by its name in the graph and in a manifest's decoding. */
    public Optional<String> graphInput() {
        return Optional.ofNullable(graphInput);
    }

    /**
     * The value that gives what a graph without the option's input gives; null where every graph
     * has the input.
     */
    public T neutral() {
        return neutral;
    }

    /** What {@code streamformer-export export --with} calls the graph's input. */
    public String exportedWith() {
        return exportedWith;
    }

    /**
     * Reads a value.
     *
     * @param key what the user called the option
     * @throws IllegalArgumentException in one line, if the text is no value or breaks the rule
     */
    T parse(String key, String text) {
        T value;
        try {
            value = type.parse(text);
        } catch (IllegalArgumentException | ArithmeticException e) {
            if (type == OptionType.MAP) {
                // A map may hold a password, so the text is not shown, in a cause either.
                throw new IllegalArgumentException(
                        key
                                + " cannot be read. Give name:value with commas between, or --"
                                + key
                                + ".NAME VALUE for each.");
            }
            String article = type.name().contains(",") ? "one of: " : "a value of the type ";
            throw new IllegalArgumentException(
                    key + " is '" + text + "'. Give " + article + type.name() + ".", e);
        }
        return checked(key, value);
    }

    T checked(String key, T value) {
        if (!check.test(value)) {
            throw new IllegalArgumentException(
                    key + " is " + type.write(value) + ". It must be " + rule + ".");
        }
        return value;
    }

    @Override
    public String toString() {
        return key();
    }

    /** A declaration that is being made. */
    public static final class Builder<T> {
        private final String name;
        private final Scope scope;
        private final OptionType<T> type;
        private T defaultValue;
        private String rule = "";
        private Predicate<T> check = value -> true;
        private String graphInput;
        private T neutral;
        private String exportedWith;

        private Builder(String name, Scope scope, OptionType<T> type) {
            this.name = name;
            this.scope = scope;
            this.type = type;
        }

        public Builder<T> defaultsTo(T value) {
            if (!(value instanceof Serializable)) {
                throw new IllegalArgumentException(name + ": values are serializable");
            }
            defaultValue = value;
            return this;
        }

        /** A rule that each value keeps, as what follows "It must be". */
        public Builder<T> check(String rule, Predicate<T> check) {
            this.rule = rule;
            this.check = check;
            return this;
        }

        /** The input of every generating graph that takes the value. */
        public Builder<T> graphInput(String input) {
            graphInput = input;
            exportedWith = input;
            return this;
        }

        /** An input that a graph may lack; then only the neutral value may be asked for. */
        public Builder<T> graphInput(String input, T neutral) {
            this.neutral = neutral;
            return graphInput(input);
        }

        /** What an export calls the graph's input, where it adds several together. */
        public Builder<T> exportedWith(String name) {
            exportedWith = name;
            return this;
        }

        /** Ends the declaration with its description. */
        public Option<T> help(String text) {
            return new Option<>(this, text);
        }
    }
}
