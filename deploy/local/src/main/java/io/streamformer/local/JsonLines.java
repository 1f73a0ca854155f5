package io.streamformer.local;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.streamformer.schemas.Classification;
import io.streamformer.schemas.ModelReference;
import io.streamformer.schemas.Translation;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/** An answered event as one line of JSON. */
final class JsonLines {

    private static final JsonMapper JSON = new JsonMapper();

    private JsonLines() {}

    static String toJson(AnsweredEvent event) {
        ObjectNode line = JSON.createObjectNode();
        line.put("id", event.number());
        line.put("text", event.text());
        ObjectNode models = JSON.createObjectNode();
        boolean truncated = false;
        for (Map.Entry<DemoTask, Reply> entry : event.replies().entrySet()) {
            String name = entry.getKey().label();
            if (entry.getValue() instanceof Reply.Classified classified) {
                Classification answer = classified.answer();
                line.putObject(name)
                        .put("label", answer.getLabel())
                        .put("score", answer.getScore());
                model(models.putObject(name), answer.getModel());
                truncated |= answer.getTruncated();
            } else if (entry.getValue() instanceof Reply.Translated translated) {
                Translation answer = translated.answer();
                line.putObject(name)
                        .put("text", answer.getText())
                        .put("language", answer.getLanguage());
                model(models.putObject(name), answer.getModel());
                truncated |= answer.getTruncated();
            }
        }
        if (!models.isEmpty()) {
            line.set("models", models);
            line.put("truncated", truncated);
        }
        if (!event.deadLetters().isEmpty()) {
            deadLetter(line.putObject("dead_letter"), event);
        }
        try {
            return JSON.writeValueAsString(line);
        } catch (JsonProcessingException e) {
            throw new AssertionError("a tree of plain values is JSON: this is a bug", e);
        }
    }

    private static void model(ObjectNode node, ModelReference model) {
        node.put("name", model.getName())
                .put("version", model.getVersion())
                .put("variant", model.getVariant())
                .put("hash", model.getHash());
    }

    private static void deadLetter(ObjectNode node, AnsweredEvent event) {
        List<Reply.Dead> letters = event.deadLetters();
        node.put("stage", letters.get(0).letter().getStage());
        List<String> reasons =
                letters.stream().map(dead -> dead.letter().getReason()).distinct().toList();
        if (reasons.size() == 1) {
            node.put("reason", reasons.get(0));
        } else {
            node.put(
                    "reason",
                    letters.stream()
                            .map(dead -> dead.task().label() + ": " + dead.letter().getReason())
                            .collect(Collectors.joining("; ")));
        }
        // Who has no answer: one of two tasks may have failed alone.
        event.replies()
                .forEach(
                        (task, reply) -> {
                            if (reply instanceof Reply.Dead) {
                                node.withArray("tasks").add(task.label());
                            }
                        });
    }
}
