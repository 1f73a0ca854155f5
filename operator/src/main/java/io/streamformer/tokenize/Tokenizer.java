package io.streamformer.tokenize;

import ai.djl.huggingface.tokenizers.jni.LibUtils;
import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import io.streamformer.bundle.Bundle;
import io.streamformer.bundle.BundleException;
import io.streamformer.bundle.Manifest;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.BitSet;

/**
 * The Hugging Face tokenizer of a bundle: text to ids within the model's limit, ids to text. Any
 * number of threads may use it at once, until one closes it.
 */
public final class Tokenizer implements AutoCloseable {

    // Called without DJL's HuggingFaceTokenizer around it, which builds a String for each token and
    // three more arrays for each text, and calls home on EC2 when it is constructed.
    private static final TokenizersLibrary LIBRARY;

    static {
        // Read by DJL when its natives are loaded: nothing here may reach for the network.
        setDefault("OPT_OUT_TRACKING", "true");
        setDefault("ai.djl.offline", "true");
        LibUtils.checkStatus();
        LIBRARY = TokenizersLibrary.LIB;
    }

    private final long source;
    private final long target;
    private final int maxTokens;
    private final int maxCharacters;
    private final boolean typeIds;
    private final BitSet specialIds = new BitSet();
    private final int templateTokens;

    private Tokenizer(Bundle bundle) {
        Manifest manifest = bundle.manifest();
        Manifest.Limits limits = manifest.limits();
        maxTokens = limits.maxTokens();
        maxCharacters =
                (int)
                        Math.min(
                                (long) maxTokens * limits.maxCharactersPerToken(),
                                Integer.MAX_VALUE);
        typeIds = manifest.inputs().stream().anyMatch(i -> i.name().equals("token_type_ids"));
        manifest.tokenizer().specialTokenIds().forEach(specialIds::set);
        String targetFile = manifest.tokenizer().targetFile();
        source = create(bundle.file(manifest.tokenizer().file()));
        try {
            LIBRARY.disablePadding(source);
            LIBRARY.setTruncation(source, maxTokens, "LONGEST_FIRST", 0);
            templateTokens = encode("", null).length();
            target = targetFile == null ? source : create(bundle.file(targetFile));
        } catch (RuntimeException e) {
            LIBRARY.deleteTokenizer(source);
            throw e;
        }
    }

    /** Loads the tokenizer of a bundle. */
    public static Tokenizer load(Bundle bundle) {
        return new Tokenizer(bundle);
    }

    /**
     * The ids of a text, or of a pair of texts, cut to the model's limit with its special tokens
     * kept.
     *
     * @param pair second text; null for a single one
     */
    public TokenizedText tokenize(String text, String pair) {
        String first = TextCleaner.replaceLoneSurrogates(TextCleaner.cut(text, maxCharacters));
        String second =
                pair == null
                        ? null
                        : TextCleaner.replaceLoneSurrogates(TextCleaner.cut(pair, maxCharacters));
        TokenizedText tokenized = encode(first, second);
        boolean cut =
                first.length() < text.length()
                        || (second != null && second.length() < pair.length());
        return cut && !tokenized.truncated()
                ? new TokenizedText(tokenized.ids(), tokenized.typeIds(), true)
                : tokenized;
    }

    /** True where the text has nothing but white space and control characters. */
    public static boolean isBlank(String text) {
        return TextCleaner.isBlank(text);
    }

    /** True where nothing of the text is left for the model to read but its special tokens. */
    public boolean isEmpty(TokenizedText text) {
        return text.length() <= templateTokens;
    }

    /** The text of generated ids; special ids are left out by their number. */
    public String decode(long[] ids) {
        long[] kept = new long[ids.length];
        int count = 0;
        for (long id : ids) {
            if (!specialIds.get((int) id)) {
                kept[count++] = id;
            }
        }
        // No special token is known to the tokenizer itself, so there is none for it to skip.
        return LIBRARY.decode(target, Arrays.copyOf(kept, count), false).strip();
    }

    @Override
    public void close() {
        LIBRARY.deleteTokenizer(source);
        if (target != source) {
            LIBRARY.deleteTokenizer(target);
        }
    }

    private TokenizedText encode(String text, String pair) {
        long encoding =
                pair == null
                        ? LIBRARY.encode(source, text, true)
                        : LIBRARY.encodeDual(source, text, pair, true);
        try {
            long[] ids = LIBRARY.getTokenIds(encoding);
            long[] types = typeIds ? LIBRARY.getTypeIds(encoding) : null;
            if (types != null && Arrays.stream(types).allMatch(type -> type == 0)) {
                types = null;
            }
            if (ids.length > maxTokens) {
                throw new IllegalArgumentException(
                        "the special tokens of a text fit into max_tokens "
                                + maxTokens
                                + ", seen "
                                + ids.length
                                + " tokens: raise limits.max_tokens of the bundle");
            }
            return new TokenizedText(ids, types, LIBRARY.getOverflowCount(encoding) > 0);
        } finally {
            LIBRARY.deleteEncoding(encoding);
        }
    }

    private static long create(Path file) {
        try {
            return LIBRARY.createTokenizerFromString(Files.readString(file));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (RuntimeException e) {
            throw new BundleException(
                    file.getFileName() + " is a tokenizer file of Hugging Face's tokenizers",
                    String.valueOf(e.getMessage()),
                    "build the bundle again with 'streamformer-export export'",
                    e);
        }
    }

    private static void setDefault(String property, String value) {
        if (System.getProperty(property) == null) {
            System.setProperty(property, value);
        }
    }
}
