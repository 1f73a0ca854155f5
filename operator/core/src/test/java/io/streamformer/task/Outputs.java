package io.streamformer.task;

import io.streamformer.inference.ModelOutput;

/** Outputs of graphs, made by hand. */
final class Outputs {

    private Outputs() {}

    static ModelOutput logits(float[] values, int labels) {
        return new ModelOutput().with("logits", values, values.length / labels, labels);
    }

    static ModelOutput tokenLogits(float[] values, int length, int labels) {
        int rows = values.length / length / labels;
        return new ModelOutput().with("logits", values, rows, length, labels);
    }

    static ModelOutput spanLogits(float[] starts, float[] ends, int length) {
        int rows = starts.length / length;
        return new ModelOutput()
                .with("start_logits", starts, rows, length)
                .with("end_logits", ends, rows, length);
    }

    static ModelOutput embeddings(float[] values, int width) {
        return new ModelOutput().with("embeddings", values, values.length / width, width);
    }

    static ModelOutput sequences(long[] ids, float[] scores, int hypotheses, int length) {
        int rows = scores.length / hypotheses;
        return new ModelOutput()
                .with("sequences", ids, rows, hypotheses, length)
                .with("scores", scores, rows, hypotheses);
    }
}
