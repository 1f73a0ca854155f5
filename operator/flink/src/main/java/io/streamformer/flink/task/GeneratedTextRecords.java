package io.streamformer.flink.task;

import io.streamformer.bundle.Manifest;
import io.streamformer.bundle.Task;
import io.streamformer.engine.Answer;
import io.streamformer.flink.Traced;
import io.streamformer.schemas.GeneratedText;
import io.streamformer.schemas.TextEvent;
import io.streamformer.task.TextGeneration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import org.apache.flink.annotation.Internal;

/** Answers of the other models that generate. */
@Internal
public enum GeneratedTextRecords implements TaskRecords<GeneratedText> {
    SUMMARIES(Task.SUMMARIZATION, "summary", "text-summaries"),
    TEXT2TEXT(Task.TEXT2TEXT_GENERATION, "generation", "text-generations"),
    CONTINUATIONS(Task.TEXT_GENERATION, "continuation", "text-generations");

    private final Task task;
    private final String label;
    private final String defaultTopic;

    GeneratedTextRecords(Task task, String label, String defaultTopic) {
        this.task = task;
        this.label = label;
        this.defaultTopic = defaultTopic;
    }

    @Override
    public Task task() {
        return task;
    }

    @Override
    public String label() {
        return label;
    }

    @Override
    public Class<GeneratedText> recordClass() {
        return GeneratedText.class;
    }

    @Override
    public String defaultTopic() {
        return defaultTopic;
    }

    @Override
    public Optional<String> refuse(TextEvent event, Manifest manifest) {
        return EventFields.refusePair(event, task);
    }

    @Override
    public GeneratedText record(Traced<TextEvent> event, Answer answer) {
        TextGeneration.Generation found = (TextGeneration.Generation) answer.prediction();
        return new GeneratedText(
                event.value().getId(),
                found.text(),
                found.score(),
                EventFields.reference(answer.by()),
                found.truncated(),
                found.inputTokens(),
                found.outputTokens(),
                Generations.alternatives(found),
                found.tokenScores(),
                Generations.alignments(found),
                EventFields.timeOf(event),
                EventFields.attributesOf(event));
    }

    @Override
    public String words(GeneratedText record) {
        return record.getText();
    }

    @Override
    public Map<String, Object> values(GeneratedText record) {
        Map<String, Object> values = new LinkedHashMap<>();
        values.put("text", record.getText());
        values.put("score", record.getScore());
        Generations.addAlternatives(record.getAlternatives(), values);
        return values;
    }
}
