package io.streamformer.flink.task;

import io.streamformer.bundle.Task;
import io.streamformer.flink.Traced;
import io.streamformer.schemas.Answer;
import io.streamformer.schemas.TextEvent;
import io.streamformer.task.QuestionAnswering;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import org.apache.flink.annotation.Internal;

/** Answers to questions. */
@Internal
public enum AnswerRecords implements TaskRecords<Answer> {
    INSTANCE;

    @Override
    public Task task() {
        return Task.QUESTION_ANSWERING;
    }

    @Override
    public String label() {
        return "answer";
    }

    @Override
    public Class<Answer> recordClass() {
        return Answer.class;
    }

    @Override
    public String defaultTopic() {
        return "text-answers";
    }

    @Override
    public Answer record(Traced<TextEvent> event, io.streamformer.engine.Answer answer) {
        QuestionAnswering.Answer found = (QuestionAnswering.Answer) answer.prediction();
        return new Answer(
                event.value().getId(),
                found.text(),
                found.score(),
                found.start(),
                found.end(),
                EventFields.reference(answer.by()),
                found.truncated(),
                found.inputTokens(),
                EventFields.timeOf(event),
                EventFields.attributesOf(event));
    }

    @Override
    public String words(Answer record) {
        return String.format(Locale.ROOT, "'%s' %.2f", record.getText(), record.getScore());
    }

    @Override
    public Map<String, Object> values(Answer record) {
        Map<String, Object> values = new LinkedHashMap<>();
        values.put("text", record.getText());
        values.put("score", record.getScore());
        values.put("start", record.getStart());
        values.put("end", record.getEnd());
        return values;
    }
}
