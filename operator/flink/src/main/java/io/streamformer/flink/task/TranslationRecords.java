package io.streamformer.flink.task;

import io.streamformer.bundle.LanguageTags;
import io.streamformer.bundle.Manifest;
import io.streamformer.bundle.Task;
import io.streamformer.engine.Answer;
import io.streamformer.flink.DeadLetters;
import io.streamformer.flink.Traced;
import io.streamformer.schemas.TextEvent;
import io.streamformer.schemas.Translation;
import io.streamformer.task.TextGeneration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.flink.annotation.Internal;

/** Answers of translation models. */
@Internal
public enum TranslationRecords implements TaskRecords<Translation> {
    INSTANCE;

    @Override
    public Task task() {
        return Task.TRANSLATION;
    }

    @Override
    public String label() {
        return "translation";
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
        Optional<String> pair = EventFields.refusePair(event, task());
        if (pair.isPresent()) {
            return pair;
        }
        List<String> written = manifest.targetLanguages();
        String wanted = event.getTargetLanguage();
        if (wanted != null && !written.isEmpty() && LanguageTags.lookup(wanted, written) == null) {
            return Optional.of(
                    "target_language is '"
                            + DeadLetters.cut(wanted, 100)
                            + "', but "
                            + manifest.name()
                            + " writes "
                            + written
                            + ".");
        }
        return Optional.empty();
    }

    @Override
    public Translation record(Traced<TextEvent> event, Answer answer) {
        TextGeneration.Generation found = (TextGeneration.Generation) answer.prediction();
        return new Translation(
                event.value().getId(),
                found.text(),
                event.value().getLanguage() != null
                        ? event.value().getLanguage()
                        : readByDefault(answer.by().manifest()),
                event.value().getTargetLanguage() != null
                        ? LanguageTags.lookup(
                                event.value().getTargetLanguage(),
                                answer.by().manifest().targetLanguages())
                        : writtenByDefault(answer.by().manifest()),
                found.score(),
                EventFields.reference(answer.by()),
                found.truncated(),
                found.inputTokens(),
                found.outputTokens(),
                EventFields.timeOf(event),
                EventFields.attributesOf(event),
                Generations.alternatives(found),
                found.tokenScores(),
                Generations.alignments(found));
    }

    @Override
    public String words(Translation record) {
        return record.getText();
    }

    @Override
    public Map<String, Object> values(Translation record) {
        Map<String, Object> values = new LinkedHashMap<>();
        values.put("text", record.getText());
        values.put("language", record.getLanguage());
        Generations.addAlternatives(record.getAlternatives(), values);
        return values;
    }

    private static String readByDefault(Manifest manifest) {
        return onlyOneOr(manifest.languages(), manifest.tokenizer().sourceLanguageTokens() != null);
    }

    private static String writtenByDefault(Manifest manifest) {
        return onlyOneOr(
                manifest.targetLanguages(), !manifest.decoding().targetLanguageTokens().isEmpty());
    }

    /** The language of several only where the model is told which: then it is the first. */
    private static String onlyOneOr(List<String> languages, boolean told) {
        return languages.size() == 1 || (told && !languages.isEmpty()) ? languages.get(0) : null;
    }
}
