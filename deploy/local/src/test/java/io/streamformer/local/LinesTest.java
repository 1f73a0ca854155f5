package io.streamformer.local;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class LinesTest {

    @ParameterizedTest
    @CsvSource({
        "'', ''",
        "a, a",
        "a\\n, a",
        "a\\nb, a|b",
        "a\\r\\nb\\r\\n, a|b",
        "\\n\\n, '|'",
        "a\\n\\nb, a||b",
        "a\\rb, a\\rb",
        "\\r\\n, ''",
    })
    void splitsAtLineEnds(String input, String expected) throws IOException {
        List<String> lines = new ArrayList<>();
        for (LineSource.Line line : read(input.translateEscapes(), 100)) {
            lines.add(new String(line.bytes(), ISO_8859_1));
        }
        assertThat(String.join("|", lines)).isEqualTo(expected.translateEscapes());
    }

    @Test
    void countsLinesWhateverTheyHold() throws IOException {
        assertThat(read("", 10)).isEmpty();
        assertThat(read("\n", 10)).hasSize(1);
        assertThat(read("\n\n", 10)).hasSize(2);
        assertThat(read("\u00ff\u00fe\n\0", 10)).hasSize(2);
    }

    @Test
    void keepsOnlyTheLengthOfALongLine() throws IOException {
        List<LineSource.Line> lines = read("12345\r\n123456\n123456\r\nx", 5);
        assertThat(lines).extracting(LineSource.Line::length).containsExactly(5L, 6L, 6L, 1L);
        assertThat(lines.get(0).bytes()).hasSize(5);
        assertThat(lines.get(1).bytes()).isNull();
        assertThat(lines.get(2).bytes()).isNull();
        assertThat(lines.get(3).bytes()).hasSize(1);
    }

    private static List<LineSource.Line> read(String input, int limit) throws IOException {
        List<LineSource.Line> lines = new ArrayList<>();
        try (Lines source =
                new Lines(new ByteArrayInputStream(input.getBytes(ISO_8859_1)), limit)) {
            for (LineSource.Line line = source.next(); line != null; line = source.next()) {
                lines.add(line);
            }
        }
        return lines;
    }
}
