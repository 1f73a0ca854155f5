package io.streamformer.engine;

import io.streamformer.bundle.LanguageTags;
import io.streamformer.bundle.Manifest;
import io.streamformer.engine.InferenceException.Stage;
import io.streamformer.inference.GenerationOptions;
import io.streamformer.inference.ModelInput;
import io.streamformer.tokenize.TokenizedText;
import io.streamformer.tokenize.Tokenizer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Texts to rows for the model: refuses what it cannot read, tokenizes the rest. */
final class RowInputs {

    private static final int SHOWN_CHARACTERS = 100;

    private final Manifest manifest;
    private final Tokenizer tokenizer;
    private final Map<String, Integer> sourceTokens;
    private final Map<String, Integer> targetTokens;

    RowInputs(Manifest manifest, Tokenizer tokenizer) {
        this.manifest = manifest;
        this.tokenizer = tokenizer;
        Manifest.SourceLanguageTokens source = manifest.tokenizer().sourceLanguageTokens();
        sourceTokens = source == null ? Map.of() : source.ids();
        targetTokens =
                manifest.decoding() == null ? Map.of() : manifest.decoding().targetLanguageTokens();
    }

    /**
     * The rows of a text: one, or one for each of its windows.
     *
     * @param generation how the model generates; null for one that does not
     * @throws InferenceException if the text cannot be read
     */
    List<ModelInput> read(TextInput input, GenerationOptions generation) {
        refuseBlank("The text", input.text());
        if (manifest.task().readsContext()) {
            if (input.textPair() == null) {
                throw refused("A question needs its context in text_pair, but there is none.");
            }
            refuseBlank("The context of the question (text_pair)", input.textPair());
        }
        String language = offered("language", input.language(), sourceTokens);
        String targetLanguage = offered("target_language", input.targetLanguage(), targetTokens);
        if (targetLanguage == null && !targetTokens.isEmpty()) {
            targetLanguage = manifest.targetLanguages().get(0);
        }
        if (input.maxNewTokens() != null && input.maxNewTokens() < 1) {
            throw refused("max_new_tokens is " + input.maxNewTokens() + ". It must be at least 1.");
        }
        long firstToken =
                targetLanguage == null ? ModelInput.FREE : targetTokens.get(targetLanguage);
        long seed = input.seed() == null ? 0 : input.seed();
        TokenizedText text = tokenize(input, language);
        if (text.furtherWindows().isEmpty()) {
            return List.of(row(text, input, generation, firstToken, seed));
        }
        List<ModelInput> rows = new ArrayList<>();
        rows.add(row(text, input, generation, firstToken, seed));
        for (TokenizedText window : text.furtherWindows()) {
            rows.add(row(window, input, generation, firstToken, seed));
        }
        return rows;
    }

    private static ModelInput row(
            TokenizedText text,
            TextInput input,
            GenerationOptions generation,
            long firstToken,
            long seed) {
        int limit = generation == null ? 0 : generation.limit(text.length());
        if (input.maxNewTokens() != null) {
            limit = Math.min(limit, input.maxNewTokens());
        }
        return new ModelInput(text, limit, firstToken, seed);
    }

    private TokenizedText tokenize(TextInput input, String language) {
        TokenizedText text;
        try {
            text = tokenizer.tokenize(input.text(), input.textPair(), language);
        } catch (RuntimeException e) {
            throw new InferenceException(
                    Stage.TOKENIZE, "The text could not be tokenized: " + e.getMessage(), e);
        }
        if (tokenizer.isEmpty(input.text(), text)) {
            throw refused(
                    "The model can read none of the text's "
                            + input.text().length()
                            + " characters.");
        }
        if (manifest.task().readsContext() && !text.spans().containsAny()) {
            throw refused(
                    "The model can read none of the context's "
                            + input.textPair().length()
                            + " characters.");
        }
        return text;
    }

    /** The tag that serves the wanted language; null where none is wanted or the model has one. */
    private String offered(String what, String wanted, Map<String, Integer> tokens) {
        if (wanted == null || tokens.isEmpty()) {
            return null;
        }
        String tag = LanguageTags.lookup(wanted, tokens.keySet());
        if (tag == null) {
            String shown =
                    wanted.length() <= SHOWN_CHARACTERS
                            ? wanted
                            : wanted.substring(0, SHOWN_CHARACTERS) + "…";
            throw refused(
                    what
                            + " is '"
                            + shown
                            + "', which is none of the "
                            + tokens.size()
                            + " languages of "
                            + manifest.name()
                            + ".");
        }
        return tag;
    }

    private static void refuseBlank(String what, String text) {
        if (Tokenizer.isBlank(text)) {
            throw refused(
                    what + " has only white space and control characters (" + text.length() + ").");
        }
    }

    private static InferenceException refused(String reason) {
        return new InferenceException(Stage.VALIDATE, reason, null);
    }
}
