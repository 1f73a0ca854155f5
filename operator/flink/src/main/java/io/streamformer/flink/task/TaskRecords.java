package io.streamformer.flink.task;

import io.streamformer.batch.Priority;
import io.streamformer.bundle.LanguageTags;
import io.streamformer.bundle.Manifest;
import io.streamformer.bundle.Task;
import io.streamformer.engine.TextInput;
import io.streamformer.flink.DeadLetters;
import io.streamformer.flink.Traced;
import io.streamformer.schemas.Alternative;
import io.streamformer.schemas.Answer;
import io.streamformer.schemas.Classification;
import io.streamformer.schemas.Embedding;
import io.streamformer.schemas.Entities;
import io.streamformer.schemas.Entity;
import io.streamformer.schemas.EventPriority;
import io.streamformer.schemas.GeneratedText;
import io.streamformer.schemas.ModelReference;
import io.streamformer.schemas.TextEvent;
import io.streamformer.schemas.Translation;
import io.streamformer.schemas.WordAlignment;
import io.streamformer.task.Prediction;
import java.io.Serializable;
import java.time.Instant;
import java.util.AbstractList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.apache.avro.specific.SpecificRecordBase;

/**
 * How the events of one task are read and how its answers become the records of its topic.
 *
 * @param <T> the record of the task's topic
 */
public sealed interface TaskRecords<T extends SpecificRecordBase> extends Serializable {

    /** The task whose bundles give these records. */
    Task task();

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
    T record(Traced<TextEvent> event, Prediction prediction, Manifest manifest, ModelReference by);

    /** The records of a task. */
    static TaskRecords<?> of(Task task) {
        return Stream.<TaskRecords<?>>of(
                        Classifications.INSTANCE,
                        TaggedEntities.INSTANCE,
                        Answers.INSTANCE,
                        Vectors.INSTANCE,
                        Translations.INSTANCE,
                        GeneratedTexts.SUMMARIES,
                        GeneratedTexts.TEXT2TEXT,
                        GeneratedTexts.CONTINUATIONS)
                .filter(records -> records.task() == task)
                .findFirst()
                .orElseThrow(() -> new IllegalStateException(task + " has no records: a bug"));
    }

    /** The event's own time; that of its Kafka record where the producer gave none. */
    private static Instant timeOf(Traced<TextEvent> event) {
        Instant own = event.value().getTimestamp();
        if (own != null && !own.equals(Instant.EPOCH)) {
            return own;
        }
        return Instant.ofEpochMilli(Math.max(0, event.origin().timestamp()));
    }

    /** The event's attributes; none where it was built without. */
    private static Map<String, String> attributesOf(Traced<TextEvent> event) {
        Map<String, String> attributes = event.value().getAttributes();
        return attributes == null ? Map.of() : attributes;
    }

    /** Most models read one text; an event that has two was meant for another. */
    private static Optional<String> refusePair(TextEvent event, Task task) {
        return event.getTextPair() == null
                ? Optional.empty()
                : Optional.of("an event for " + task + " has no text_pair, seen one");
    }

    private static List<Alternative> alternatives(Prediction.Generation answer) {
        return answer.alternatives().stream()
                .map(other -> new Alternative(other.text(), other.score()))
                .toList();
    }

    private static List<WordAlignment> alignments(Prediction.Generation answer) {
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

    /** Answers of classifiers. */
    enum Classifications implements TaskRecords<Classification> {
        INSTANCE;

        @Override
        public Task task() {
            return Task.TEXT_CLASSIFICATION;
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
        public Classification record(
                Traced<TextEvent> event,
                Prediction prediction,
                Manifest manifest,
                ModelReference by) {
            Prediction.Classification answer = (Prediction.Classification) prediction;
            return new Classification(
                    event.value().getId(),
                    answer.label(),
                    answer.score(),
                    answer.scores(),
                    by,
                    answer.truncated(),
                    answer.inputTokens(),
                    timeOf(event),
                    attributesOf(event),
                    manifest.problemType().id());
        }
    }

    /** Answers of token classifiers. */
    enum TaggedEntities implements TaskRecords<Entities> {
        INSTANCE;

        @Override
        public Task task() {
            return Task.TOKEN_CLASSIFICATION;
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
            return refusePair(event, task());
        }

        @Override
        public Entities record(
                Traced<TextEvent> event,
                Prediction prediction,
                Manifest manifest,
                ModelReference by) {
            Prediction.Entities answer = (Prediction.Entities) prediction;
            List<Entity> entities =
                    answer.entities().stream()
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
                    by,
                    answer.truncated(),
                    answer.inputTokens(),
                    timeOf(event),
                    attributesOf(event));
        }
    }

    /** Answers to questions. */
    enum Answers implements TaskRecords<Answer> {
        INSTANCE;

        @Override
        public Task task() {
            return Task.QUESTION_ANSWERING;
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
        public Answer record(
                Traced<TextEvent> event,
                Prediction prediction,
                Manifest manifest,
                ModelReference by) {
            Prediction.Answer answer = (Prediction.Answer) prediction;
            return new Answer(
                    event.value().getId(),
                    answer.text(),
                    answer.score(),
                    answer.start(),
                    answer.end(),
                    by,
                    answer.truncated(),
                    answer.inputTokens(),
                    timeOf(event),
                    attributesOf(event));
        }
    }

    /** Vectors of texts. */
    enum Vectors implements TaskRecords<Embedding> {
        INSTANCE;

        @Override
        public Task task() {
            return Task.FEATURE_EXTRACTION;
        }

        @Override
        public Class<Embedding> recordClass() {
            return Embedding.class;
        }

        @Override
        public String defaultTopic() {
            return "text-embeddings";
        }

        @Override
        public Embedding record(
                Traced<TextEvent> event,
                Prediction prediction,
                Manifest manifest,
                ModelReference by) {
            Prediction.Embedding answer = (Prediction.Embedding) prediction;
            return new Embedding(
                    event.value().getId(),
                    new Numbers(answer.vector()),
                    by,
                    answer.truncated(),
                    answer.inputTokens(),
                    timeOf(event),
                    attributesOf(event));
        }

        /** A list over the model's own array, which Avro writes number by number. */
        private static final class Numbers extends AbstractList<Float> {
            private final float[] values;

            Numbers(float[] values) {
                this.values = values;
            }

            @Override
            public Float get(int index) {
                return values[index];
            }

            @Override
            public int size() {
                return values.length;
            }
        }
    }

    /** Answers of translation models. */
    enum Translations implements TaskRecords<Translation> {
        INSTANCE;

        @Override
        public Task task() {
            return Task.TRANSLATION;
        }

        @Override
        public Class<Translation> recordClass() {
            return Translation.class;
        }

        @Override
        public String defaultTopic() {
            return "text-translations";
        }

        @Override
        public Optional<String> refuse(TextEvent event, Manifest manifest) {
            Optional<String> pair = refusePair(event, task());
            if (pair.isPresent()) {
                return pair;
            }
            List<String> written = manifest.targetLanguages();
            String wanted = event.getTargetLanguage();
            if (wanted != null
                    && !written.isEmpty()
                    && LanguageTags.lookup(wanted, written) == null) {
                return Optional.of(
                        "target_language is one of those that "
                                + manifest.name()
                                + " writes, "
                                + written
                                + ", seen "
                                + DeadLetters.cut(wanted, 100));
            }
            return Optional.empty();
        }

        @Override
        public Translation record(
                Traced<TextEvent> event,
                Prediction prediction,
                Manifest manifest,
                ModelReference by) {
            Prediction.Generation answer = (Prediction.Generation) prediction;
            return new Translation(
                    event.value().getId(),
                    answer.text(),
                    event.value().getLanguage() != null
                            ? event.value().getLanguage()
                            : readByDefault(manifest),
                    event.value().getTargetLanguage() != null
                            ? LanguageTags.lookup(
                                    event.value().getTargetLanguage(), manifest.targetLanguages())
                            : writtenByDefault(manifest),
                    answer.score(),
                    by,
                    answer.truncated(),
                    answer.inputTokens(),
                    answer.outputTokens(),
                    timeOf(event),
                    attributesOf(event),
                    alternatives(answer),
                    answer.tokenScores(),
                    alignments(answer));
        }

        private static String readByDefault(Manifest manifest) {
            return onlyOneOr(
                    manifest.languages(), manifest.tokenizer().sourceLanguageTokens() != null);
        }

        private static String writtenByDefault(Manifest manifest) {
            return onlyOneOr(
                    manifest.targetLanguages(),
                    !manifest.decoding().targetLanguageTokens().isEmpty());
        }

        /** The language of several only where the model is told which: then it is the first. */
        private static String onlyOneOr(List<String> languages, boolean told) {
            return languages.size() == 1 || (told && !languages.isEmpty())
                    ? languages.get(0)
                    : null;
        }
    }

    /** Answers of the other models that generate. */
    enum GeneratedTexts implements TaskRecords<GeneratedText> {
        SUMMARIES(Task.SUMMARIZATION, "text-summaries"),
        TEXT2TEXT(Task.TEXT2TEXT_GENERATION, "text-generations"),
        CONTINUATIONS(Task.TEXT_GENERATION, "text-generations");

        private final Task task;
        private final String defaultTopic;

        GeneratedTexts(Task task, String defaultTopic) {
            this.task = task;
            this.defaultTopic = defaultTopic;
        }

        @Override
        public Task task() {
            return task;
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
            return refusePair(event, task);
        }

        @Override
        public GeneratedText record(
                Traced<TextEvent> event,
                Prediction prediction,
                Manifest manifest,
                ModelReference by) {
            Prediction.Generation answer = (Prediction.Generation) prediction;
            return new GeneratedText(
                    event.value().getId(),
                    answer.text(),
                    answer.score(),
                    by,
                    answer.truncated(),
                    answer.inputTokens(),
                    answer.outputTokens(),
                    alternatives(answer),
                    answer.tokenScores(),
                    alignments(answer),
                    timeOf(event),
                    attributesOf(event));
        }
    }
}
