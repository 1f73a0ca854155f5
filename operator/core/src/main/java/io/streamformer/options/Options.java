package io.streamformer.options;

import java.io.Serializable;
import java.util.Collection;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.apache.flink.annotation.Public;

/**
 * Values of options. Immutable; what is not set has its default. Two with the same values are
 * equal, and print the same.
 */
@Public
public final class Options implements Serializable {

    private static final long serialVersionUID = 1L;

    /** Nothing set: every option has its default. */
    public static final Options DEFAULTS = new Options(new TreeMap<>());

    /** By key, without values that are the defaults. */
    private final TreeMap<String, Object> values;

    private Options(SortedMap<String, Object> values) {
        this.values = new TreeMap<>(values);
    }

    /** These options with one set to a value; null takes it back to its default. */
    public <T> Options with(Option<T> option, T value) {
        SortedMap<String, Object> changed = new TreeMap<>(values);
        if (value == null || value.equals(option.defaultValue())) {
            changed.remove(option.key());
        } else {
            changed.put(option.key(), option.checked(option.key(), value));
        }
        return new Options(changed);
    }

    /** These options with one set to what a text says, by the name that its user gave it. */
    public <T> Options with(Option<T> option, String key, String text) {
        return with(option, option.parse(key, text));
    }

    /** These options with one taken from others, where it is set there. */
    public <T> Options withThatOf(Options others, Option<T> option) {
        return others.find(option).map(value -> with(option, value)).orElse(this);
    }

    /** The option's value, or its default; null where there is neither. */
    public <T> T get(Option<T> option) {
        return find(option).orElse(option.defaultValue());
    }

    /** The option's value where one is set that is not its default. */
    public <T> Optional<T> find(Option<T> option) {
        @SuppressWarnings("unchecked") // put there by `with`, under the option's own key
        T value = (T) values.get(option.key());
        return Optional.ofNullable(value);
    }

    /** The values of these options alone. */
    public Options only(Collection<Option<?>> options) {
        SortedMap<String, Object> kept = new TreeMap<>();
        for (Option<?> option : options) {
            if (values.containsKey(option.key())) {
                kept.put(option.key(), values.get(option.key()));
            }
        }
        return new Options(kept);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Options that && values.equals(that.values);
    }

    @Override
    public int hashCode() {
        return values.hashCode();
    }

    /** Values by key; of a map the names alone, since its values may be secret. */
    @Override
    public String toString() {
        return values.entrySet().stream()
                .map(one -> one.getKey() + "=" + shown(one.getValue()))
                .collect(Collectors.joining(", ", "{", "}"));
    }

    private static Object shown(Object value) {
        return value instanceof Map<?, ?> map ? map.keySet() : value;
    }
}
