package io.streamformer.bundle;

import com.fasterxml.jackson.annotation.JsonProperty;
import org.apache.flink.annotation.Internal;

/** How labelled tokens become entities, as {@code aggregation_strategy} in transformers. */
@Internal
public enum Aggregation {
    /** Every token is an entity, its label untouched. */
    @JsonProperty("none")
    NONE,

    /** Neighbouring tokens of one label are an entity. */
    @JsonProperty("simple")
    SIMPLE,

    /** As simple, but a word has the label of its first token. */
    @JsonProperty("first")
    FIRST,

    /** As simple, but a word has the label with the highest mean score of its tokens. */
    @JsonProperty("average")
    AVERAGE,

    /** As simple, but a word has the label of its token with the highest score. */
    @JsonProperty("max")
    MAX
}
