package io.streamformer.local.demo;

import io.streamformer.schemas.Answer;
import io.streamformer.schemas.Classification;
import io.streamformer.schemas.Embedding;
import io.streamformer.schemas.Entities;
import io.streamformer.schemas.GeneratedText;
import io.streamformer.schemas.Translation;
import java.util.Comparator;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import org.apache.avro.specific.SpecificRecordBase;

/** Answers in a few words, for people. */
final class AnswerWords {

    private static final String SINGLE_LABEL = "single_label_classification";
    private static final String REGRESSION = "regression";

    /** From this probability up one of several labels is shown. */
    private static final float THRESHOLD = 0.5f;

    /** Numbers of a vector that are shown. */
    private static final int NUMBERS = 4;

    private AnswerWords() {}

    /** True where the best label alone does not say what the model said. */
    static boolean hasManyScores(Classification answer) {
        return !answer.getProblemType().equals(SINGLE_LABEL);
    }

    static String of(SpecificRecordBase record) {
        if (record instanceof Classification answer) {
            return hasManyScores(answer)
                    ? labels(answer)
                    : String.format(Locale.ROOT, "%-8s %.2f", answer.getLabel(), answer.getScore());
        }
        if (record instanceof Entities answer) {
            return answer.getEntities().isEmpty()
                    ? "no entities"
                    : answer.getEntities().stream()
                            .map(entity -> entity.getLabel() + " '" + entity.getText() + "'")
                            .collect(Collectors.joining(", "));
        }
        if (record instanceof Answer answer) {
            return String.format(Locale.ROOT, "'%s' %.2f", answer.getText(), answer.getScore());
        }
        if (record instanceof Embedding answer) {
            String first =
                    answer.getVector().stream()
                            .limit(NUMBERS)
                            .map(number -> String.format(Locale.ROOT, "%.3f", number))
                            .collect(Collectors.joining(" "));
            return answer.getVector().size() + " numbers: " + first + " …";
        }
        return record instanceof Translation answer
                ? answer.getText()
                : ((GeneratedText) record).getText();
    }

    private static String labels(Classification answer) {
        boolean values = answer.getProblemType().equals(REGRESSION);
        String shown =
                answer.getScores().entrySet().stream()
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
        return shown.isEmpty() ? "none of " + answer.getScores().size() + " labels" : shown;
    }
}
