package io.streamformer.bundle;

import com.fasterxml.jackson.annotation.JsonProperty;

/** What a model does, under the name that Hugging Face gives it. */
public enum Task {
    @JsonProperty("text-classification")
    TEXT_CLASSIFICATION("text-classification", false),
    @JsonProperty("token-classification")
    TOKEN_CLASSIFICATION("token-classification", false),
    @JsonProperty("feature-extraction")
    FEATURE_EXTRACTION("feature-extraction", false),
    @JsonProperty("question-answering")
    QUESTION_ANSWERING("question-answering", false),
    @JsonProperty("translation")
    TRANSLATION("translation", true),
    @JsonProperty("summarization")
    SUMMARIZATION("summarization", true),
    @JsonProperty("text2text-generation")
    TEXT2TEXT_GENERATION("text2text-generation", true),
    @JsonProperty("text-generation")
    TEXT_GENERATION("text-generation", true);

    private final String id;
    private final boolean generates;

    Task(String id, boolean generates) {
        this.id = id;
        this.generates = generates;
    }

    /** The name used in manifests and records. */
    public String id() {
        return id;
    }

    /** True where the answer is a text. */
    public boolean generates() {
        return generates;
    }

    @Override
    public String toString() {
        return id;
    }
}
