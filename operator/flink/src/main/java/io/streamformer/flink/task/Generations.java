package io.streamformer.flink.task;

import io.streamformer.schemas.Alternative;
import io.streamformer.schemas.WordAlignment;
import io.streamformer.task.TextGeneration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** What the records of generated texts have in common. */
final class Generations {

    private Generations() {}

    static List<Alternative> alternatives(TextGeneration.Generation answer) {
        return answer.alternatives().stream()
                .map(other -> new Alternative(other.text(), other.score()))
                .toList();
    }

    static List<WordAlignment> alignments(TextGeneration.Generation answer) {
        return answer.alignments().stream()
                .map(
                        word ->
                                new WordAlignment(
                                        word.sourceStart(),
                                        word.sourceEnd(),
                                        word.targetStart(),
                                        word.targetEnd(),
                                        word.score()))
                .toList();
    }

    /** Adds alternatives to the plain values of an answer; nothing where there are none. */
    static void addAlternatives(List<Alternative> alternatives, Map<String, Object> values) {
        List<Map<String, Object>> others = new ArrayList<>();
        for (Alternative other : alternatives) {
            Map<String, Object> one = new LinkedHashMap<>();
            one.put("text", other.getText());
            one.put("score", other.getScore());
            others.add(one);
        }
        if (!others.isEmpty()) {
            values.put("alternatives", others);
        }
    }
}
