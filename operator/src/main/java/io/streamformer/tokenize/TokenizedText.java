package io.streamformer.tokenize;

/**
 * One text as the model reads it: ids between their special tokens. The arrays are handed over, not
 * copied; nobody writes to them.
 */
public final class TokenizedText {

    private final long[] ids;
    private final long[] typeIds;
    private final boolean truncated;

    /**
     * @param ids token ids, special tokens included
     * @param typeIds 1 for the tokens of a pair's second text; null where all are 0
     * @param truncated whether tokens of the text were cut off
     */
    public TokenizedText(long[] ids, long[] typeIds, boolean truncated) {
        if (typeIds != null && typeIds.length != ids.length) {
            throw new IllegalArgumentException(
                    "one type id for each of " + ids.length + " ids, seen " + typeIds.length);
        }
        this.ids = ids;
        this.typeIds = typeIds;
        this.truncated = truncated;
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
}
