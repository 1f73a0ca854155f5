package io.streamformer.local.demo;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.streamformer.bundle.Task;
import io.streamformer.local.DemoTasks;
import io.streamformer.schemas.ModelReference;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.apache.avro.specific.SpecificRecordBase;

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
        for (Map.Entry<Task, Reply> entry : event.replies().entrySet()) {
            if (entry.getValue() instanceof Reply.Answered answered) {
                String name = DemoTasks.label(entry.getKey());
                SpecificRecordBase answer = answered.answer();
                line.set(name, JSON.valueToTree(DemoTasks.values(entry.getKey(), answer)));
                model(models.putObject(name), (ModelReference) answer.get("model"));
                truncated |= (Boolean) answer.get("truncated");
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
                            .map(
                                    dead ->
                                            DemoTasks.label(dead.task())
                                                    + ": "
                                                    + dead.letter().getReason())
                            .collect(Collectors.joining("; ")));
        }
        // Who has no answer: one of two tasks may have failed alone.
        event.replies()
                .forEach(
                        (task, reply) -> {
                            if (reply instanceof Reply.Dead) {
                                node.withArray("tasks").add(DemoTasks.label(task));
                            }
                        });
    }
}
