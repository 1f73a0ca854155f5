package io.streamformer.flink.task;

import io.streamformer.bundle.Task;
import io.streamformer.engine.Answer;
import io.streamformer.flink.Traced;
import io.streamformer.schemas.Embedding;
import io.streamformer.schemas.TextEvent;
import io.streamformer.task.FeatureExtraction;
import java.util.AbstractList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import org.apache.flink.annotation.Internal;

/** Vectors of texts. */
@Internal
public enum EmbeddingRecords implements TaskRecords<Embedding> {
    INSTANCE;

    /** Numbers of a vector that are shown. */
    private static final int SHOWN = 4;

    @Override
    public Task task() {
        return Task.FEATURE_EXTRACTION;
    }

    @Override
    public String label() {
        return "embedding";
    }

    @Override
    public Class<Embedding> recordClass() {
        return Embedding.class;
    }

    @Override
    public String defaultTopic() {
        return "text-embeddings";
    }

    @Override
    public Embedding record(Traced<TextEvent> event, Answer answer) {
        FeatureExtraction.Embedding found = (FeatureExtraction.Embedding) answer.prediction();
        return new Embedding(
                event.value().getId(),
                new Numbers(found.vector()),
                EventFields.reference(answer.by()),
                found.truncated(),
                found.inputTokens(),
                EventFields.timeOf(event),
                EventFields.attributesOf(event));
    }

    @Override
    public String words(Embedding record) {
        String first =
                record.getVector().stream()
                        .limit(SHOWN)
                        .map(number -> String.format(Locale.ROOT, "%.3f", number))
                        .collect(Collectors.joining(" "));
        return record.getVector().size() + " numbers: " + first + " …";
    }

    @Override
    public List<Float> values(Embedding record) {
        return record.getVector();
    }

    /** A list over the model's own array, which Avro writes number by number. */
    private static final class Numbers extends AbstractList<Float> {
        private final float[] values;

        Numbers(float[] values) {
            this.values = values;
        }

        @Override
        public Float get(int index) {
            return values[index];
        }

        @Override
        public int size() {
            return values.length;
        }
    }
}
