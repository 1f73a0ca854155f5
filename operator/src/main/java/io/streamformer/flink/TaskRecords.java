package io.streamformer.flink;

import io.streamformer.bundle.Manifest;
import io.streamformer.bundle.Task;
import io.streamformer.decode.Prediction;
import io.streamformer.schemas.Classification;
import io.streamformer.schemas.ModelReference;
import io.streamformer.schemas.TextEvent;
import io.streamformer.schemas.Translation;
import java.io.Serializable;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.apache.avro.specific.SpecificRecordBase;

/**
 * How the answers of one task become the records of its topic.
 *
 * @param <T> the record of the task's topic
 */
sealed interface TaskRecords<T extends SpecificRecordBase> extends Serializable {

    /** The task whose bundles give these records. */
    Task task();

    Class<T> recordClass();

    /** The topic of the results where no other is set. */
    String defaultTopic();

    /** Why this event cannot be answered; empty where it can. */
    Optional<String> refuse(TextEvent event, Manifest manifest);

    /** The answer as a record. */
    T record(Traced<TextEvent> event, Prediction prediction, Manifest manifest, ModelReference by);

    /** The records of a task, where this package writes them. */
    static Optional<TaskRecords<?>> of(String task) {
        return Stream.<TaskRecords<?>>of(Classifications.INSTANCE, Translations.INSTANCE)
                .filter(records -> records.task().id().equals(task))
                .findFirst();
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
        public Optional<String> refuse(TextEvent event, Manifest manifest) {
            return Optional.empty();
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
                    attributesOf(event));
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
            if (event.getTextPair() != null) {
                return Optional.of("an event to translate has no text_pair, seen one");
            }
            List<String> written = manifest.targetLanguages();
            String wanted = event.getTargetLanguage();
            if (wanted != null && !written.isEmpty() && language(wanted, written) == null) {
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
                            : onlyOne(manifest.languages()),
                    event.value().getTargetLanguage() != null
                            ? language(
                                    event.value().getTargetLanguage(), manifest.targetLanguages())
                            : onlyOne(manifest.targetLanguages()),
                    answer.score(),
                    by,
                    answer.truncated(),
                    answer.inputTokens(),
                    answer.outputTokens(),
                    timeOf(event),
                    attributesOf(event));
        }

        /** The written language that serves the wanted one: itself, or fr for fr-CA. */
        private static String language(String wanted, List<String> written) {
            // Not Locale.lookupTag, which throws where a producer's tag is none.
            for (String tag = wanted; !tag.isEmpty(); tag = parent(tag)) {
                for (String language : written) {
                    if (language.equalsIgnoreCase(tag)) {
                        return language;
                    }
                }
            }
            return null;
        }

        private static String parent(String tag) {
            return tag.substring(0, Math.max(0, tag.lastIndexOf('-')));
        }

        private static String onlyOne(List<String> languages) {
            return languages.size() == 1 ? languages.get(0) : null;
        }
    }
}
