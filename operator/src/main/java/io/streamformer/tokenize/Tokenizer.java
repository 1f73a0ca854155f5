package io.streamformer.tokenize;

import ai.djl.huggingface.tokenizers.jni.CharSpan;
import ai.djl.huggingface.tokenizers.jni.LibUtils;
import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import io.streamformer.bundle.Bundle;
import io.streamformer.bundle.BundleException;
import io.streamformer.bundle.Manifest;
import io.streamformer.bundle.Task;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;

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

    /** What neighbouring windows of a context have in common at most, as in transformers. */
    private static final int MOST_STRIDE = 128;

    /** A context may have this many times the characters of a text that is read at once. */
    private static final int WINDOWS = 16;

    private final long source;
    private final long target;
    private final int maxTokens;
    private final int maxCharacters;
    private final boolean typeIds;
    private final boolean readsContext;
    private final boolean spans;
    private final String before;
    private final String after;
    private final Manifest.SourceLanguageTokens languages;
    private final BitSet specialIds = new BitSet();
    private final int specialTokens;
    private final int templateTokens;

    private Tokenizer(Bundle bundle) {
        Manifest manifest = bundle.manifest();
        Manifest.Limits limits = manifest.limits();
        Path file = bundle.file(manifest.tokenizer().file());
        maxTokens = limits.maxTokens();
        maxCharacters =
                (int)
                        Math.min(
                                (long) maxTokens * limits.maxCharactersPerToken(),
                                Integer.MAX_VALUE / WINDOWS);
        typeIds = manifest.inputs().stream().anyMatch(i -> i.name().equals("token_type_ids"));
        readsContext = manifest.task() == Task.QUESTION_ANSWERING;
        spans =
                readsContext
                        || manifest.task() == Task.TOKEN_CLASSIFICATION
                        || manifest.outputs().stream().anyMatch(o -> o.name().equals("alignments"));
        int text = manifest.template().indexOf(Manifest.TEXT);
        before = manifest.template().substring(0, text);
        after = manifest.template().substring(text + Manifest.TEXT.length());
        languages = manifest.tokenizer().sourceLanguageTokens();
        manifest.tokenizer().specialTokenIds().forEach(specialIds::set);
        String targetFile = manifest.tokenizer().targetFile();
        source = create(file);
        try {
            LIBRARY.disablePadding(source);
            if (readsContext || !after.isEmpty()) {
                // What has to stay stands behind what is too long: it is cut here.
                LIBRARY.disableTruncation(source);
            } else {
                LIBRARY.setTruncation(source, maxTokens, "LONGEST_FIRST", 0);
            }
            specialTokens = length("");
            templateTokens = length(before + after);
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

    /** As {@link #tokenize(String, String, String)}, in the bundle's own language. */
    public TokenizedText tokenize(String text, String pair) {
        return tokenize(text, pair, null);
    }

    /**
     * The ids of a text, or of a pair of texts, cut to the model's limit with its special tokens
     * and its template kept. The context of a question is not cut but read in several windows.
     *
     * @param pair second text; null for a single one
     * @param language one of the manifest's source_language_tokens; null for the bundle's own
     */
    public TokenizedText tokenize(String text, String pair, String language) {
        int maxPair = readsContext ? maxCharacters * WINDOWS : maxCharacters;
        String first = clean(text, maxCharacters);
        String second = pair == null ? null : clean(pair, maxPair);
        boolean cut =
                first.length() < text.length()
                        || (second != null && second.length() < pair.length());
        // Most bundles have no template: their text is not copied.
        String read = before.isEmpty() && after.isEmpty() ? first : before + first + after;
        long encoding =
                second == null
                        ? LIBRARY.encode(source, read, true)
                        : LIBRARY.encodeDual(source, read, second, true);
        try {
            Encoded all = new Encoded(encoding);
            setLanguage(all.ids, language);
            if (readsContext && second != null) {
                int shift = pair.codePointCount(0, TextCleaner.cutStart(pair, maxPair));
                return windows(all, cut, pair, shift);
            }
            int start = TextCleaner.cutStart(text, maxCharacters);
            TokenSpans where = spans ? all.spansOf(text, first, start) : null;
            if (all.ids.length > maxTokens) {
                return withoutEndOfText(all, first, where);
            }
            return new TokenizedText(
                    all.ids,
                    all.types,
                    cut || LIBRARY.getOverflowCount(encoding) > 0,
                    where,
                    List.of());
        } finally {
            LIBRARY.deleteEncoding(encoding);
        }
    }

    /** True where the text has nothing but white space and control characters. */
    public static boolean isBlank(String text) {
        return TextCleaner.isBlank(text);
    }

    /** True where nothing of the text is left for the model to read. */
    public boolean isEmpty(String text, TokenizedText tokenized) {
        return tokenized.length() <= templateTokens
                && length(clean(text, maxCharacters)) <= specialTokens;
    }

    /** The text of generated ids; special ids are left out by their number. */
    public String decode(long[] ids) {
        return rawText(ids, ids.length).strip();
    }

    /** Where each of generated ids lies in their {@link #decode text}. */
    public TokenSpans decodedSpans(long[] ids) {
        String raw = rawText(ids, ids.length);
        String text = raw.strip();
        int leading = raw.length() - raw.stripLeading().length();
        int[] starts = new int[ids.length];
        int[] ends = new int[ids.length];
        int end = 0;
        for (int i = 0; i < ids.length; i++) {
            starts[i] = end;
            // A piece may change what stands before it, so each start of the text is read anew.
            int common = commonPrefix(rawText(ids, i + 1), raw) - leading;
            int reached = Math.min(Math.max(common, 0), text.length());
            end = Math.max(end, text.codePointCount(0, reached));
            ends[i] = end;
        }
        return new TokenSpans(text, starts, ends, null);
    }

    private static int commonPrefix(String a, String b) {
        int length = Math.min(a.length(), b.length());
        int i = 0;
        while (i < length && a.charAt(i) == b.charAt(i)) {
            i++;
        }
        return i;
    }

    private String rawText(long[] ids, int length) {
        long[] kept = new long[length];
        int count = 0;
        for (int i = 0; i < length; i++) {
            if (!specialIds.get((int) ids[i])) {
                kept[count++] = ids[i];
            }
        }
        // No special token is known to the tokenizer itself, so there is none for it to skip.
        return LIBRARY.decode(target, Arrays.copyOf(kept, count), false);
    }

    @Override
    public void close() {
        LIBRARY.deleteTokenizer(source);
        if (target != source) {
            LIBRARY.deleteTokenizer(target);
        }
    }

    private static String clean(String text, int maxCharacters) {
        return TextCleaner.replaceLoneSurrogates(TextCleaner.cut(text, maxCharacters));
    }

    /** Tokens of a text as it stands, special tokens included. */
    private int length(String text) {
        long encoding = LIBRARY.encode(source, text, true);
        try {
            int length = LIBRARY.getTokenIds(encoding).length;
            checkFits(length, "the special tokens and the template of a text");
            return length;
        } finally {
            LIBRARY.deleteEncoding(encoding);
        }
    }

    private void setLanguage(long[] ids, String language) {
        if (language != null) {
            boolean first = languages.position() == Manifest.SourceLanguageTokens.Position.FIRST;
            ids[first ? 0 : ids.length - 1] = languages.ids().get(language);
        }
    }

    /** Drops the last tokens of the text itself; what the template has behind them stays. */
    private TokenizedText withoutEndOfText(Encoded all, String first, TokenSpans where) {
        int textEnd =
                before.codePointCount(0, before.length()) + first.codePointCount(0, first.length());
        int end = all.ids.length;
        while (end > 0 && (all.start(end - 1) < 0 || all.start(end - 1) >= textEnd)) {
            end--;
        }
        int kept = end - (all.ids.length - maxTokens);
        checkFits(maxTokens - kept, "the special tokens and the template of a text");
        int[] tokens = new int[maxTokens];
        for (int i = 0; i < maxTokens; i++) {
            tokens[i] = i < kept ? i : i - kept + end;
        }
        return all.select(tokens, true, where, List.of());
    }

    /**
     * A question with each stretch of its context that fits, neighbours sharing what transformers
     * calls the document's stride.
     */
    private TokenizedText windows(Encoded all, boolean cut, String context, int shift) {
        TokenSpans where = all.contextSpans(context, shift);
        int from = 0;
        while (from < all.ids.length && all.sequence(from) != 1) {
            from++;
        }
        int to = all.ids.length;
        while (to > from && all.sequence(to - 1) != 1) {
            to--;
        }
        int question = all.ids.length - (to - from);
        checkFits(question + 1, "a question with a token of its context");
        int room = maxTokens - question;
        int stride = Math.min(Math.min(MOST_STRIDE, maxTokens / 2), room / 2);
        List<TokenizedText> windows = new ArrayList<>();
        int end = from;
        for (int start = from; windows.isEmpty() || end < to; start += room - stride) {
            end = Math.min(to, start + room);
            int[] tokens = new int[question + end - start];
            for (int i = 0; i < tokens.length; i++) {
                int behind = i - from - (end - start);
                tokens[i] = i < from ? i : behind < 0 ? start + i - from : to + behind;
            }
            windows.add(all.select(tokens, cut, where, List.of()));
        }
        TokenizedText first = windows.get(0);
        return windows.size() == 1
                ? first
                : new TokenizedText(
                        first.ids(),
                        first.typeIds(),
                        cut,
                        first.spans(),
                        List.copyOf(windows.subList(1, windows.size())));
    }

    private void checkFits(int tokens, String what) {
        if (tokens > maxTokens) {
            throw new IllegalArgumentException(
                    what
                            + " fits into max_tokens "
                            + maxTokens
                            + ", seen "
                            + tokens
                            + " tokens: shorten it, or raise limits.max_tokens of the bundle");
        }
    }

    /** What the library gave for a text or a pair, before anything is cut. */
    private final class Encoded {

        private final long encoding;
        private final long[] ids;
        private final long[] types;
        private long[] sequences;
        private CharSpan[] places;

        Encoded(long encoding) {
            this.encoding = encoding;
            ids = LIBRARY.getTokenIds(encoding);
            long[] all = typeIds ? LIBRARY.getTypeIds(encoding) : null;
            types = all == null || Arrays.stream(all).allMatch(type -> type == 0) ? null : all;
        }

        /** 0 for a token of the first text, 1 for one of the second, -1 for a special token. */
        long sequence(int token) {
            if (sequences == null) {
                sequences = LIBRARY.getSequenceIds(encoding);
            }
            return sequences[token];
        }

        /** First character of a token in its text; -1 for a special token. */
        int start(int token) {
            if (places == null) {
                places = LIBRARY.getTokenCharSpans(encoding);
            }
            return places[token] == null ? TokenSpans.NONE : places[token].getStart();
        }

        int end(int token) {
            return start(token) < 0 ? TokenSpans.NONE : places[token].getEnd();
        }

        /**
         * Where the tokens lie in a text of which a part was read inside of a template.
         *
         * @param part what was left of the text
         * @param from where the part begins in the text, in UTF-16 units
         */
        TokenSpans spansOf(String text, String part, int from) {
            int prefix = before.codePointCount(0, before.length());
            int shift = text.codePointCount(0, from) - prefix;
            int[] starts = new int[ids.length];
            int[] ends = new int[ids.length];
            int behind = prefix + part.codePointCount(0, part.length());
            for (int i = 0; i < ids.length; i++) {
                boolean own =
                        sequence(i) == 0
                                && (before.isEmpty() || end(i) > prefix)
                                && (after.isEmpty() || start(i) < behind);
                starts[i] = own ? Math.max(start(i), prefix) : TokenSpans.NONE;
                ends[i] = own ? Math.min(end(i), behind) : TokenSpans.NONE;
            }
            return shifted(text, starts, ends, shift);
        }

        TokenSpans contextSpans(String context, int shift) {
            int[] starts = new int[ids.length];
            int[] ends = new int[ids.length];
            for (int i = 0; i < ids.length; i++) {
                starts[i] = sequence(i) == 1 ? start(i) : TokenSpans.NONE;
                ends[i] = sequence(i) == 1 ? end(i) : TokenSpans.NONE;
            }
            return shifted(context, starts, ends, shift);
        }

        private TokenSpans shifted(String text, int[] starts, int[] ends, int shift) {
            for (int i = 0; i < ids.length; i++) {
                if (starts[i] >= 0) {
                    starts[i] += shift;
                    ends[i] += shift;
                }
            }
            int[] words =
                    Arrays.stream(LIBRARY.getWordIds(encoding)).mapToInt(w -> (int) w).toArray();
            return new TokenSpans(text, starts, ends, words);
        }

        TokenizedText select(
                int[] tokens, boolean cut, TokenSpans where, List<TokenizedText> further) {
            long[] chosen = Arrays.stream(tokens).mapToLong(i -> ids[i]).toArray();
            long[] chosenTypes =
                    types == null ? null : Arrays.stream(tokens).mapToLong(i -> types[i]).toArray();
            return new TokenizedText(
                    chosen, chosenTypes, cut, where == null ? null : where.select(tokens), further);
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
