package io.streamformer.inference.ort;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.streamformer.bundle.BundleException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ShortlistTest {

    private static final long MAGIC = 0xF11A48D5013417F5L;

    @TempDir Path folder;

    @Test
    void listsFrequentTokensTheTextsOwnAndTheirTranslations() throws IOException {
        // Token 0 has none, token 1 has 20 and 30, token 2 has 7, 8, 9, 10 and 30.
        Shortlist shortlist =
                Shortlist.read(file(MAGIC, 3, new long[] {0, 0, 2, 7}, 20, 30, 7, 8, 9, 10, 30));

        assertThat(shortlist.of(new long[] {1, 0})).containsExactly(0, 1, 2, 3, 4, 5, 20, 30);
        assertThat(shortlist.of(new long[] {2, 0})).containsExactly(0, 1, 2, 7, 8, 9, 10, 30);
        assertThat(shortlist.of(new long[] {1, 2, 2}))
                .containsExactly(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 20, 30);
        // A token that the list does not know is still its own candidate.
        assertThat(shortlist.of(new long[] {40})).containsExactly(0, 1, 2, 3, 4, 5, 6, 40);
    }

    @Test
    void refusesAFileThatIsNoShortlist() throws IOException {
        for (Path broken :
                new Path[] {
                    file(MAGIC + 1, 3, new long[] {0, 1}, 5),
                    file(MAGIC, 3, new long[] {0, 2}, 5),
                    file(MAGIC, 3, new long[] {1, 0}, 5),
                    Files.write(folder.resolve("cut.bin"), new byte[20])
                }) {
            assertThatThrownBy(() -> Shortlist.read(broken))
                    .isInstanceOf(BundleException.class)
                    .hasMessageContaining("lexical shortlist");
        }
    }

    private Path file(long magic, long frequent, long[] offsets, int... candidates)
            throws IOException {
        ByteBuffer content =
                ByteBuffer.allocate(8 * (6 + offsets.length) + 4 * candidates.length)
                        .order(ByteOrder.LITTLE_ENDIAN);
        for (long value : new long[] {magic, 0, frequent, 0, offsets.length, candidates.length}) {
            content.putLong(value);
        }
        for (long offset : offsets) {
            content.putLong(offset);
        }
        for (int candidate : candidates) {
            content.putInt(candidate);
        }
        return Files.write(Files.createTempFile(folder, "lex", ".bin"), content.array());
    }
}
