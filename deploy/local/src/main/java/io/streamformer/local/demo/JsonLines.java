package io.streamformer.local.demo;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.streamformer.local.DemoTask;
import io.streamformer.schemas.Alternative;
import io.streamformer.schemas.Answer;
import io.streamformer.schemas.Classification;
import io.streamformer.schemas.Embedding;
import io.streamformer.schemas.Entities;
import io.streamformer.schemas.Entity;
import io.streamformer.schemas.GeneratedText;
import io.streamformer.schemas.ModelReference;
import io.streamformer.schemas.Translation;
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
        for (Map.Entry<DemoTask, Reply> entry : event.replies().entrySet()) {
            if (entry.getValue() instanceof Reply.Answered answered) {
                String name = entry.getKey().label();
                SpecificRecordBase answer = answered.answer();
                answer(line, name, answer);
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

    private static void answer(ObjectNode line, String name, SpecificRecordBase record) {
        if (record instanceof Classification answer) {
            ObjectNode node = line.putObject(name);
            node.put("label", answer.getLabel()).put("score", answer.getScore());
            if (AnswerWords.hasManyScores(answer)) {
                ObjectNode scores = node.putObject("scores");
                answer.getScores().forEach(scores::put);
            }
        } else if (record instanceof Entities answer) {
            ArrayNode nodes = line.putArray(name);
            for (Entity entity : answer.getEntities()) {
                nodes.addObject()
                        .put("label", entity.getLabel())
                        .put("score", entity.getScore())
                        .put("text", entity.getText())
                        .put("start", entity.getStart())
                        .put("end", entity.getEnd());
            }
        } else if (record instanceof Answer answer) {
            line.putObject(name)
                    .put("text", answer.getText())
                    .put("score", answer.getScore())
                    .put("start", answer.getStart())
                    .put("end", answer.getEnd());
        } else if (record instanceof Embedding answer) {
            ArrayNode numbers = line.putArray(name);
            answer.getVector().forEach(numbers::add);
        } else if (record instanceof Translation answer) {
            ObjectNode node = line.putObject(name);
            node.put("text", answer.getText()).put("language", answer.getLanguage());
            alternatives(node, answer.getAlternatives());
        } else {
            GeneratedText answer = (GeneratedText) record;
            ObjectNode node = line.putObject(name);
            node.put("text", answer.getText()).put("score", answer.getScore());
            alternatives(node, answer.getAlternatives());
        }
    }

    private static void alternatives(ObjectNode node, List<Alternative> alternatives) {
        for (Alternative other : alternatives) {
            node.withArray("alternatives")
                    .addObject()
                    .put("text", other.getText())
                    .put("score", other.getScore());
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
