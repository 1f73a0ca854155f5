package io.streamformer.tokenize;

import ai.djl.huggingface.tokenizers.jni.CharSpan;
import ai.djl.huggingface.tokenizers.jni.LibUtils;
import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import io.streamformer.bundle.Bundle;
import io.streamformer.bundle.BundleException;
import io.streamformer.bundle.Manifest;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.stream.IntStream;
import org.apache.flink.annotation.Internal;

/**
 * The Hugging Face tokenizer of a bundle: text to ids within the model's limit, ids to text. Any
 * number of threads may use it at once, until one closes it.
 */
@Internal
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
    private final Manifest.Side side;
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
        side = manifest.tokenizer().truncationSide();
        typeIds =
                manifest.tokenizer().tokenTypes() == Manifest.TokenTypes.PAIR
                        && manifest.inputs().stream()
                                .anyMatch(i -> i.name().equals("token_type_ids"));
        readsContext = manifest.task().readsContext();
        spans =
                manifest.task().marksSpans()
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
            // The library's binding cuts on the right only: texts are cut here.
            LIBRARY.disableTruncation(source);
            specialTokens = length("");
            templateTokens = length(filled(""));
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
        TextCleaner.Part part = TextCleaner.cut(text, maxCharacters, side);
        String first = TextCleaner.replaceLoneSurrogates(part.of(text));
        TextCleaner.Part pairPart = pair == null ? null : TextCleaner.cut(pair, maxPair, side);
        String second = pair == null ? null : TextCleaner.replaceLoneSurrogates(pairPart.of(pair));
        boolean cut =
                first.length() < text.length()
                        || (second != null && second.length() < pair.length());
        // Most bundles have no template: their text is not copied.
        String read = before.isEmpty() && after.isEmpty() ? first : filled(first);
        long encoding =
                second == null
                        ? LIBRARY.encode(source, read, true)
                        : LIBRARY.encodeDual(source, read, second, true);
        try {
            Encoded all = new Encoded(encoding);
            setLanguage(all.ids, language);
            if (readsContext && second != null) {
                return windows(all, cut, pair, pair.codePointCount(0, pairPart.start()));
            }
            TokenSpans where = spans ? all.spansOf(text, first, part.start()) : null;
            if (all.ids.length > maxTokens) {
                return all.select(kept(all, first), true, where, List.of());
            }
            return new TokenizedText(all.ids, all.types, cut, where, List.of());
        } finally {
            LIBRARY.deleteEncoding(encoding);
        }
    }

    /**
     * The template with the text wherever it says so. A text that is too long is cut in the first.
     */
    private String filled(String text) {
        return before + text + after.replace(Manifest.TEXT, text);
    }

    /** True where the text has nothing but white space and control characters. */
    public static boolean isBlank(String text) {
        return TextCleaner.isBlank(text);
    }

    /** True where nothing of the text is left for the model to read. */
    public boolean isEmpty(String text, TokenizedText tokenized) {
        return tokenized.length() <= templateTokens && length(clean(text)) <= specialTokens;
    }

    /** The text of generated ids; special ids are left out by their number. */
    public String decode(long[] ids) {
        return rawText(ids, ids.length).strip();
    }

    /** Where each of generated ids is in their {@link #decode text}. */
    public TokenSpans decodedSpans(long[] ids) {
        String raw = rawText(ids, ids.length);
        String text = raw.strip();
        int leading = raw.length() - raw.stripLeading().length();
        int[] starts = new int[ids.length];
        int[] ends = new int[ids.length];
        int end = 0;
        for (int i = 0; i < ids.length; i++) {
            starts[i] = end;
            // A piece may change what is before it, so each start of the text is read anew.
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

    private String clean(String text) {
        String read = TextCleaner.cut(text, maxCharacters, side).of(text);
        return TextCleaner.replaceLoneSurrogates(read);
    }

    /** Tokens of a text as it is, special tokens included. */
    private int length(String text) {
        long encoding = LIBRARY.encode(source, text, true);
        try {
            int length = LIBRARY.getTokenIds(encoding).length;
            checkFits(length, "What surrounds a text, its special tokens and its template,");
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

    /**
     * The tokens that stay of a text or a pair that is too long. Special tokens and the template
     * do; the longer text loses tokens first, as with {@code longest_first} of transformers.
     */
    private int[] kept(Encoded all, String first) {
        int start = before.codePointCount(0, before.length());
        int end = start + first.codePointCount(0, first.length());
        List<Integer> text = new ArrayList<>();
        List<Integer> pair = new ArrayList<>();
        for (int i = 0; i < all.ids.length; i++) {
            if (all.sequence(i) == 1) {
                pair.add(i);
            } else if (all.sequence(i) == 0 && isOwn(all, i, start, end)) {
                text.add(i);
            }
        }
        int frame = all.ids.length - text.size() - pair.size();
        checkFits(frame + 1, "What surrounds a text, its special tokens and its template,");
        int room = maxTokens - frame;
        int shorter = Math.min(Math.min(text.size(), pair.size()), room / 2);
        boolean longerPair = text.size() <= pair.size();
        BitSet gone = new BitSet();
        drop(text, longerPair ? shorter : room - shorter, gone);
        drop(pair, longerPair ? room - shorter : shorter, gone);
        return IntStream.range(0, all.ids.length).filter(i -> !gone.get(i)).toArray();
    }

    /** True where a token is one of the text, and not of the template alone. */
    private boolean isOwn(Encoded all, int token, int start, int end) {
        return (before.isEmpty() || all.end(token) > start)
                && (after.isEmpty() || all.start(token) < end);
    }

    private void drop(List<Integer> tokens, int count, BitSet gone) {
        List<Integer> dropped =
                side == Manifest.Side.LEFT
                        ? tokens.subList(0, tokens.size() - count)
                        : tokens.subList(count, tokens.size());
        dropped.forEach(gone::set);
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
        checkFits(question + 1, "The question with one token of its context");
        int room = maxTokens - question;
        int stride = Math.min(Math.min(MOST_STRIDE, maxTokens / 2), room / 2);
        List<TokenizedText> windows = new ArrayList<>();
        int end = from;
        for (int next = from; windows.isEmpty() || end < to; next += room - stride) {
            end = Math.min(to, next + room);
            windows.add(
                    all.select(window(from, to, next, end, all.ids.length), cut, where, List.of()));
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

    /**
     * The tokens of a question with the tokens of its context from one to before another, counted
     * from the end of the context where texts are cut on the left.
     */
    private int[] window(int from, int to, int start, int end, int length) {
        boolean left = side == Manifest.Side.LEFT;
        int first = left ? from + to - end : start;
        int last = left ? from + to - start : end;
        return IntStream.range(0, length)
                .filter(i -> i < from || i >= to || (i >= first && i < last))
                .toArray();
    }

    private void checkFits(int tokens, String what) {
        if (tokens > maxTokens) {
            throw new IllegalArgumentException(
                    what
                            + " needs "
                            + tokens
                            + " tokens, and the bundle allows "
                            + maxTokens
                            + ". Shorten it, or raise limits.max_tokens of the bundle.");
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
         * Where the tokens are in a text of which a part was read inside of a template.
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
                boolean own = sequence(i) == 0 && isOwn(this, i, prefix, behind);
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
