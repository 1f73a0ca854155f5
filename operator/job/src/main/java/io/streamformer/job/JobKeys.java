package io.streamformer.job;

import io.streamformer.options.Option;
import io.streamformer.options.OptionType;
import io.streamformer.options.Options;
import java.util.Collection;
import java.util.Comparator;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import org.apache.commons.text.similarity.LevenshteinDistance;

/** The keys of a job's options: {@code x}, {@code model.x}, {@code model.<bundle name>.x}. */
final class JobKeys {

    private static final String MODEL = "model.";

    private JobKeys() {}

    /**
     * The values that hold for one bundle, or where {@code bundle} is null for all.
     *
     * @throws IllegalArgumentException in one line, if a value cannot be read
     */
    static Options read(Map<String, String> given, String bundle) {
        Options values = Options.DEFAULTS;
        for (Option<?> option : JobOptions.ALL) {
            values = read(values, option, option.key(), given);
            if (bundle != null && option.scope() != Option.Scope.JOB) {
                values = read(values, option, ofBundle(option, bundle), given);
            }
        }
        return values;
    }

    private static <T> Options read(
            Options values, Option<T> option, String key, Map<String, String> given) {
        Options changed = values;
        if (given.containsKey(key)) {
            changed = changed.with(option, key, given.get(key));
        }
        if (option.type() == OptionType.MAP) {
            @SuppressWarnings("unchecked") // the type says so
            Option<Map<String, String>> map = (Option<Map<String, String>>) option;
            SortedMap<String, String> entries = new TreeMap<>(changed.get(map));
            given.forEach(
                    (name, value) -> {
                        if (name.startsWith(key + ".")) {
                            entries.put(name.substring(key.length() + 1), value);
                        }
                    });
            changed = changed.with(map, entries);
        }
        return changed;
    }

    /** The keys without the prefix that may be in front of them. */
    static SortedMap<String, String> withoutPrefix(Map<String, String> given) {
        SortedMap<String, String> keys = new TreeMap<>();
        given.forEach(
                (key, value) -> {
                    String bare =
                            key.startsWith(JobOptions.PREFIX)
                                    ? key.substring(JobOptions.PREFIX.length())
                                    : key;
                    if (keys.put(bare, value) != null) {
                        throw new IllegalArgumentException(
                                bare
                                        + " is given with and without "
                                        + JobOptions.PREFIX
                                        + ". Keep one.");
                    }
                });
        return keys;
    }

    /** Refuses keys that no option has; keys of bundles are checked once these are known. */
    static void check(Collection<String> keys) {
        for (String key : keys) {
            if (!key.startsWith(MODEL) && !isKnown(key)) {
                throw unknown(key, JobOptions.ALL.stream().map(Option::key).toList());
            }
        }
    }

    /** Refuses keys of a model that belong to no option of all bundles or of one of these. */
    static void check(Collection<String> keys, Set<String> bundles) {
        for (String key : keys) {
            boolean ofBundle =
                    bundles.stream()
                            .filter(name -> key.startsWith(MODEL + name + "."))
                            .map(name -> MODEL + key.substring(MODEL.length() + name.length() + 1))
                            .anyMatch(JobKeys::isKnown);
            if (key.startsWith(MODEL) && !isKnown(key) && !ofBundle) {
                throw unknown(
                        key,
                        JobOptions.ALL.stream()
                                .filter(option -> option.scope() != Option.Scope.JOB)
                                .flatMap(option -> namesOf(option, bundles))
                                .toList());
            }
        }
    }

    static String ofBundle(Option<?> option, String bundle) {
        return MODEL + bundle + "." + option.name();
    }

    private static java.util.stream.Stream<String> namesOf(Option<?> option, Set<String> bundles) {
        return java.util.stream.Stream.concat(
                java.util.stream.Stream.of(option.key()),
                bundles.stream().map(bundle -> ofBundle(option, bundle)));
    }

    private static boolean isKnown(String key) {
        return JobOptions.ALL.stream()
                .anyMatch(
                        option ->
                                option.key().equals(key)
                                        || (option.type() == OptionType.MAP
                                                && key.startsWith(option.key() + ".")));
    }

    private static IllegalArgumentException unknown(String key, Collection<String> known) {
        LevenshteinDistance distance = LevenshteinDistance.getDefaultInstance();
        String nearest =
                known.stream()
                        .min(Comparator.comparingInt(name -> distance.apply(name, key)))
                        .orElseThrow();
        return new IllegalArgumentException(
                "Unknown option " + key + ". Did you mean " + nearest + "? --help lists them all.");
    }
}
