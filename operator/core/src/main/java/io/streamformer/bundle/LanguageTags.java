package io.streamformer.bundle;

import java.util.Collection;
import org.apache.flink.annotation.Internal;

/** Which of a model's languages serves a wanted one, by their BCP 47 tags. */
@Internal
public final class LanguageTags {

    private LanguageTags() {}

    /** The tag that serves the wanted one: itself, or fr for fr-CA; null where none does. */
    public static String lookup(String wanted, Collection<String> offered) {
        // Not Locale.lookupTag, which throws where a producer's tag is none.
        for (String tag = wanted; !tag.isEmpty(); tag = parent(tag)) {
            for (String language : offered) {
                if (language.equalsIgnoreCase(tag)) {
                    return language;
                }
            }
        }
        return null;
    }

    private static String parent(String tag) {
        return tag.substring(0, Math.max(0, tag.lastIndexOf('-')));
    }
}
