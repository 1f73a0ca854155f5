package io.streamformer.local;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;

/**
 * A stream of short messages and captions, which is what the built-in translation model was trained
 * on: a fixed collection, shuffled, at a steady pace.
 */
final class SampleTexts implements LineSource {

    private static final String MESSAGES = "sample-texts.txt";
    private static final String QUESTIONS = "sample-questions.txt";
    private static final String ALL_LENGTHS = "bench-texts.txt";

    private final List<String> texts;
    private final Random random = new Random(1);
    private final long nanosBetween;
    private final long count;
    private long sent;
    private long nextAt = System.nanoTime();

    /**
     * Gives texts.
     *
     * @param perSecond pace
     * @param count how many; the collection starts over when it is used up
     * @param pairs whether to give questions with their contexts
     */
    SampleTexts(double perSecond, long count, boolean pairs) {
        this.texts = new ArrayList<>(read(pairs ? QUESTIONS : MESSAGES));
        this.nanosBetween = (long) (1e9 / perSecond);
        this.count = count;
    }

    /** Short messages and captions. */
    static List<String> ofShortLengths() {
        return read(MESSAGES);
    }

    /** Messages, captions and reviews of mixed lengths, for a benchmark. */
    static List<String> ofAllLengths() {
        return read(ALL_LENGTHS);
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

    @Override
    public Line next() throws InterruptedException {
        if (sent == count) {
            return null;
        }
        long wait = nextAt - System.nanoTime();
        if (wait > 0) {
            TimeUnit.NANOSECONDS.sleep(wait);
        }
        // A pause (a full window) is not made up for by a burst.
        nextAt = Math.max(nextAt, System.nanoTime() - nanosBetween) + nanosBetween;
        int index = (int) (sent % texts.size());
        if (index == 0) {
            Collections.shuffle(texts, random);
        }
        sent++;
        byte[] bytes = texts.get(index).getBytes(StandardCharsets.UTF_8);
        return new Line(bytes, bytes.length);
    }

    @Override
    public void close() {}
}
