package io.streamformer.bundle;

import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.Set;
import org.apache.flink.annotation.Public;

/** What a model does, under the name that Hugging Face gives it. */
@Public
public enum Task {
    @JsonProperty("text-classification")
    TEXT_CLASSIFICATION("text-classification", Trait.LABELS),
    @JsonProperty("token-classification")
    TOKEN_CLASSIFICATION("token-classification", Trait.LABELS, Trait.SPANS),
    @JsonProperty("question-answering")
    QUESTION_ANSWERING("question-answering", Trait.CONTEXT, Trait.SPANS),
    @JsonProperty("feature-extraction")
    FEATURE_EXTRACTION("feature-extraction"),
    @JsonProperty("translation")
    TRANSLATION("translation", Trait.GENERATES),
    @JsonProperty("summarization")
    SUMMARIZATION("summarization", Trait.GENERATES),
    @JsonProperty("text2text-generation")
    TEXT2TEXT_GENERATION("text2text-generation", Trait.GENERATES),
    @JsonProperty("text-generation")
    TEXT_GENERATION("text-generation", Trait.GENERATES);

    private enum Trait {
        LABELS,
        SPANS,
        CONTEXT,
        GENERATES
    }

    private final String id;

    @SuppressWarnings("ImmutableEnumChecker") // Set.of gives one that cannot change
    private final Set<Trait> traits;

    Task(String id, Trait... traits) {
        this.id = id;
        this.traits = Set.of(traits);
    }

    /** The name used in manifests and records. */
    public String id() {
        return id;
    }

    /** True where the answer is a text that the model writes. */
    public boolean generates() {
        return traits.contains(Trait.GENERATES);
    }

    /** True where the answer is made of labels, which the manifest names. */
    public boolean hasLabels() {
        return traits.contains(Trait.LABELS);
    }

    /** True where an answer says at which characters of the text it is. */
    public boolean marksSpans() {
        return traits.contains(Trait.SPANS);
    }

    /** True where the second text of a pair is a context to search, in windows if it is long. */
    public boolean readsContext() {
        return traits.contains(Trait.CONTEXT);
    }

    @Override
    public String toString() {
        return id;
    }
}
