package io.streamformer.local;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** The collections of texts that come with it. */
public final class SampleTexts {

    private SampleTexts() {}

    /**
     * Short sentences and captions, the kind that the built-in translation model was trained on.
     */
    public static List<String> ofShortLengths() {
        return read("sample-texts.txt");
    }

    /** Messages, captions and reviews of mixed lengths, for a benchmark. */
    public static List<String> ofAllLengths() {
        return read("bench-texts.txt");
    }

    /** Questions, each with a tab and its context behind it. */
    public static List<String> questions() {
        return read("sample-questions.txt");
    }

    private static List<String> read(String resource) {
        try (InputStream in = SampleTexts.class.getResourceAsStream(resource)) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8)
                    .lines()
                    .filter(line -> !line.isBlank())
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
