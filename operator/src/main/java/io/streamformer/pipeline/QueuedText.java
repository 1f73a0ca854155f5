package io.streamformer.pipeline;

import io.streamformer.batch.BatchRow;
import io.streamformer.decode.Prediction;
import io.streamformer.tokenize.TokenizedText;
import java.util.concurrent.CompletableFuture;

/** A tokenized text on its way to its prediction; the future that its sender holds. */
final class QueuedText extends CompletableFuture<Prediction> implements BatchRow {

    private final TokenizedText text;
    private final long arrivalNanos;

    QueuedText(TokenizedText text, long arrivalNanos) {
        this.text = text;
        this.arrivalNanos = arrivalNanos;
    }

    TokenizedText text() {
        return text;
    }

    @Override
    public int length() {
        return text.length();
    }

    @Override
    public long arrivalNanos() {
        return arrivalNanos;
    }

    @Override
    public boolean abandoned() {
        return isDone();
    }
}
