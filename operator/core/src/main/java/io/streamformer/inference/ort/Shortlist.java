package io.streamformer.inference.ort;

import io.streamformer.bundle.BundleException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.BitSet;

/**
 * A lexical shortlist: the tokens that a text may be translated to, by its own tokens. Each row of
 * a batch has its own list, so that its answer does not depend on its neighbours.
 *
 * <p>The file is Marian's binary one: six longs (magic number, checksum, frequent tokens, best
 * tokens, offsets, candidates), the offsets of each source token as longs, the candidates as ints,
 * all little-endian.
 */
final class Shortlist {

    private static final long MAGIC = 0xF11A48D5013417F5L;
    private static final int HEADER_BYTES = 6 * Long.BYTES;
    // Marian fills a list up to a multiple of this many tokens.
    private static final int MULTIPLE = 8;

    private final int frequent;
    private final int[] offsets;
    private final int[] candidates;

    private Shortlist(int frequent, int[] offsets, int[] candidates) {
        this.frequent = frequent;
        this.offsets = offsets;
        this.candidates = candidates;
    }

    static Shortlist read(Path file) {
        ByteBuffer content;
        try {
            content = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        if (content.capacity() < HEADER_BYTES || content.getLong(0) != MAGIC) {
            throw broken(file, "starts with its magic number", content.capacity() + " other bytes");
        }
        long frequent = content.getLong(2 * Long.BYTES);
        long words = content.getLong(4 * Long.BYTES);
        long count = content.getLong(5 * Long.BYTES);
        long bytes = HEADER_BYTES + words * Long.BYTES + count * Integer.BYTES;
        if (words < 1 || count < 0 || frequent < 0 || bytes != content.capacity()) {
            throw broken(file, "has " + bytes + " bytes", content.capacity() + " bytes");
        }
        int[] offsets = new int[(int) words];
        int[] candidates = new int[(int) count];
        content.position(HEADER_BYTES);
        for (int i = 0; i < offsets.length; i++) {
            long offset = content.getLong();
            if (offset < (i == 0 ? 0 : offsets[i - 1]) || offset > count) {
                throw broken(file, "has ascending offsets up to " + count, "offset " + offset);
            }
            offsets[i] = (int) offset;
        }
        content.asIntBuffer().get(candidates);
        return new Shortlist((int) frequent, offsets, candidates);
    }

    /** The tokens that may translate {@code ids}, ascending: those ids themselves among them. */
    long[] of(long[] ids) {
        BitSet found = new BitSet(offsets.length);
        found.set(0, frequent);
        for (long id : ids) {
            int token = (int) id;
            found.set(token);
            if (token + 1 < offsets.length) {
                for (int i = offsets[token]; i < offsets[token + 1]; i++) {
                    found.set(candidates[i]);
                }
            }
        }
        int missing = Math.floorMod(-found.cardinality(), MULTIPLE);
        for (int token = frequent; missing > 0; token++) {
            if (!found.get(token)) {
                found.set(token);
                missing--;
            }
        }
        return found.stream().asLongStream().toArray();
    }

    private static BundleException broken(Path file, String rule, String seen) {
        return new BundleException(
                "the lexical shortlist " + file.getFileName() + " " + rule,
                seen,
                "build the bundle again with 'streamformer-export marian-student'");
    }
}
