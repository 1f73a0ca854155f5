package io.streamformer.tokenize;

import java.util.List;
import org.apache.flink.annotation.Internal;

/**
 * One text as the model reads it: ids between their special tokens. The arrays are handed over, not
 * copied; nobody writes to them.
 */
@Internal
public final class TokenizedText {

    private final long[] ids;
    private final long[] typeIds;
    private final boolean truncated;
    private final TokenSpans spans;
    private final List<TokenizedText> furtherWindows;

    /**
     * @param ids token ids, special tokens included
     * @param typeIds 1 for the tokens of a pair's second text; null where all are 0
     * @param truncated whether tokens of the text were cut off
     */
    public TokenizedText(long[] ids, long[] typeIds, boolean truncated) {
        this(ids, typeIds, truncated, null, List.of());
    }

    /**
     * @param spans where the tokens are in the text; null where the task has no use for it
     * @param furtherWindows the rest of a text that is read in several windows, this being the
     *     first; empty for any other
     */
    public TokenizedText(
            long[] ids,
            long[] typeIds,
            boolean truncated,
            TokenSpans spans,
            List<TokenizedText> furtherWindows) {
        if (typeIds != null && typeIds.length != ids.length) {
            throw new IllegalArgumentException(
                    ids.length + " ids need as many type ids, but there are " + typeIds.length);
        }
        this.ids = ids;
        this.typeIds = typeIds;
        this.truncated = truncated;
        this.spans = spans;
        this.furtherWindows = furtherWindows;
    }

    public long[] ids() {
        return ids;
    }

    /** 1 for the tokens of a pair's second text; null where all are 0. */
    public long[] typeIds() {
        return typeIds;
    }

    /** Tokens, special tokens included. */
    public int length() {
        return ids.length;
    }

    public boolean truncated() {
        return truncated;
    }

    /** Where the tokens are in the text; null where the task has no use for it. */
    public TokenSpans spans() {
        return spans;
    }

    /** The windows that follow this one, where a text is read in several. */
    public List<TokenizedText> furtherWindows() {
        return furtherWindows;
    }
}
