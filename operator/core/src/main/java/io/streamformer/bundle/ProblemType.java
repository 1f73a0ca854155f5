package io.streamformer.bundle;

import com.fasterxml.jackson.annotation.JsonProperty;
import org.apache.flink.annotation.Internal;

/** What the logits of a text-classification model mean, under transformers' names. */
@Internal
public enum ProblemType {
    /** One label is right: a softmax over all. */
    @JsonProperty("single_label_classification")
    SINGLE_LABEL("single_label_classification"),

    /** Any number of labels is right: a sigmoid for each. */
    @JsonProperty("multi_label_classification")
    MULTI_LABEL("multi_label_classification"),

    /** The logits are the values themselves. */
    @JsonProperty("regression")
    REGRESSION("regression");

    private final String id;

    ProblemType(String id) {
        this.id = id;
    }

    /** The name used in manifests and records. */
    public String id() {
        return id;
    }
}
