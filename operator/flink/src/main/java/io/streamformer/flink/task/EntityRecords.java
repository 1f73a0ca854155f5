package io.streamformer.flink.task;

import io.streamformer.bundle.Manifest;
import io.streamformer.bundle.Task;
import io.streamformer.engine.Answer;
import io.streamformer.flink.Traced;
import io.streamformer.schemas.Entities;
import io.streamformer.schemas.Entity;
import io.streamformer.schemas.TextEvent;
import io.streamformer.task.TokenClassification;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import org.apache.flink.annotation.Internal;

/** Answers of token classifiers. */
@Internal
public enum EntityRecords implements TaskRecords<Entities> {
    INSTANCE;

    @Override
    public Task task() {
        return Task.TOKEN_CLASSIFICATION;
    }

    @Override
    public String label() {
        return "entities";
    }

    @Override
    public Class<Entities> recordClass() {
        return Entities.class;
    }

    @Override
    public String defaultTopic() {
        return "text-entities";
    }

    @Override
    public Optional<String> refuse(TextEvent event, Manifest manifest) {
        return EventFields.refusePair(event, task());
    }

    @Override
    public Entities record(Traced<TextEvent> event, Answer answer) {
        TokenClassification.Entities found = (TokenClassification.Entities) answer.prediction();
        List<Entity> entities =
                found.entities().stream()
                        .map(
                                entity ->
                                        new Entity(
                                                entity.label(),
                                                entity.score(),
                                                entity.text(),
                                                entity.start(),
                                                entity.end()))
                        .toList();
        return new Entities(
                event.value().getId(),
                entities,
                EventFields.reference(answer.by()),
                found.truncated(),
                found.inputTokens(),
                EventFields.timeOf(event),
                EventFields.attributesOf(event));
    }

    @Override
    public String words(Entities record) {
        return record.getEntities().isEmpty()
                ? "no entities"
                : record.getEntities().stream()
                        .map(entity -> entity.getLabel() + " '" + entity.getText() + "'")
                        .collect(Collectors.joining(", "));
    }

    @Override
    public List<Map<String, Object>> values(Entities record) {
        List<Map<String, Object>> values = new ArrayList<>();
        for (Entity entity : record.getEntities()) {
            Map<String, Object> one = new LinkedHashMap<>();
            one.put("label", entity.getLabel());
            one.put("score", entity.getScore());
            one.put("text", entity.getText());
            one.put("start", entity.getStart());
            one.put("end", entity.getEnd());
            values.add(one);
        }
        return values;
    }
}
