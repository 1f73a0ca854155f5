package io.streamformer.flink.task;

import io.streamformer.batch.Priority;
import io.streamformer.bundle.Manifest;
import io.streamformer.bundle.Task;
import io.streamformer.engine.Answer;
import io.streamformer.engine.TextInput;
import io.streamformer.flink.Traced;
import io.streamformer.schemas.EventPriority;
import io.streamformer.schemas.TextEvent;
import java.io.Serializable;
import java.util.Optional;
import org.apache.avro.specific.SpecificRecordBase;
import org.apache.flink.annotation.Internal;

/**
 * How the events of one task are read and how its answers become the records of its topic. Each
 * task has a file of its own.
 *
 * @param <T> the record of the task's topic
 */
@Internal
public interface TaskRecords<T extends SpecificRecordBase> extends Serializable {

    /** The records of a task. */
    static TaskRecords<?> of(Task task) {
        return switch (task) {
            case TEXT_CLASSIFICATION -> ClassificationRecords.INSTANCE;
            case TOKEN_CLASSIFICATION -> EntityRecords.INSTANCE;
            case QUESTION_ANSWERING -> AnswerRecords.INSTANCE;
            case FEATURE_EXTRACTION -> EmbeddingRecords.INSTANCE;
            case TRANSLATION -> TranslationRecords.INSTANCE;
            case SUMMARIZATION -> GeneratedTextRecords.SUMMARIES;
            case TEXT2TEXT_GENERATION -> GeneratedTextRecords.TEXT2TEXT;
            case TEXT_GENERATION -> GeneratedTextRecords.CONTINUATIONS;
        };
    }

    /** The task whose bundles give these records. */
    Task task();

    /** A word for the answer, such as "translation". */
    String label();

    Class<T> recordClass();

    /** The topic of the results where no other is set. */
    String defaultTopic();

    /** Why this event cannot be answered; empty where it can, as far as the manifest tells. */
    default Optional<String> refuse(TextEvent event, Manifest manifest) {
        return Optional.empty();
    }

    /**
     * What the model is asked.
     *
     * @param priority of an event whose own is the normal one
     */
    default TextInput input(TextEvent event, Priority priority) {
        return new TextInput(
                event.getText(),
                event.getTextPair(),
                event.getLanguage(),
                event.getTargetLanguage(),
                event.getMaxNewTokens(),
                event.getSeed(),
                priorityOf(event, priority));
    }

    private static Priority priorityOf(TextEvent event, Priority otherwise) {
        // An event that was built without its builder may have none.
        return event.getPriority() == null || event.getPriority() == EventPriority.NORMAL
                ? otherwise
                : Priority.valueOf(event.getPriority().name());
    }

    /** The answer as a record. */
    T record(Traced<TextEvent> event, Answer answer);

    /** The answer in a few words, for people. */
    String words(T record);

    /** The answer as maps, lists, texts and numbers, without the event and the model. */
    Object values(T record);
}
