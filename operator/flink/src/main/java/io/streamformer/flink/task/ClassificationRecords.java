package io.streamformer.flink.task;

import io.streamformer.bundle.ProblemType;
import io.streamformer.bundle.Task;
import io.streamformer.engine.Answer;
import io.streamformer.flink.Traced;
import io.streamformer.schemas.Classification;
import io.streamformer.schemas.TextEvent;
import io.streamformer.task.TextClassification;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import org.apache.flink.annotation.Internal;

/** Answers of classifiers. */
@Internal
public enum ClassificationRecords implements TaskRecords<Classification> {
    INSTANCE;

    /** From this probability up one of several labels is shown. */
    private static final float THRESHOLD = 0.5f;

    @Override
    public Task task() {
        return Task.TEXT_CLASSIFICATION;
    }

    @Override
    public String label() {
        return "sentiment";
    }

    @Override
    public Class<Classification> recordClass() {
        return Classification.class;
    }

    @Override
    public String defaultTopic() {
        return "text-sentiment";
    }

    @Override
    public Classification record(Traced<TextEvent> event, Answer answer) {
        TextClassification.Classification found =
                (TextClassification.Classification) answer.prediction();
        return new Classification(
                event.value().getId(),
                found.label(),
                found.score(),
                found.scores(),
                EventFields.reference(answer.by()),
                found.truncated(),
                found.inputTokens(),
                EventFields.timeOf(event),
                EventFields.attributesOf(event),
                answer.by().manifest().problemType().id());
    }

    @Override
    public String words(Classification record) {
        return hasManyScores(record)
                ? labels(record)
                : String.format(Locale.ROOT, "%-8s %.2f", record.getLabel(), record.getScore());
    }

    /** The labels that hold, the best first; of a regression all. */
    private static String labels(Classification record) {
        boolean values = record.getProblemType().equals(ProblemType.REGRESSION.id());
        String shown =
                record.getScores().entrySet().stream()
                        .filter(score -> values || score.getValue() >= THRESHOLD)
                        .sorted(Map.Entry.comparingByValue(Comparator.reverseOrder()))
                        .map(
                                score ->
                                        String.format(
                                                Locale.ROOT,
                                                "%s %.2f",
                                                score.getKey(),
                                                score.getValue()))
                        .collect(Collectors.joining(", "));
        return shown.isEmpty() ? "none of " + record.getScores().size() + " labels" : shown;
    }

    @Override
    public Map<String, Object> values(Classification record) {
        Map<String, Object> values = new LinkedHashMap<>();
        values.put("label", record.getLabel());
        values.put("score", record.getScore());
        if (hasManyScores(record)) {
            values.put("scores", record.getScores());
        }
        return values;
    }

    /** True where the best label alone does not say what the model said. */
    private static boolean hasManyScores(Classification record) {
        return !record.getProblemType().equals(ProblemType.SINGLE_LABEL.id());
    }
}
