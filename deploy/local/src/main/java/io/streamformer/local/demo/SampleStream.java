package io.streamformer.local.demo;

import io.streamformer.local.LineSource;
import io.streamformer.local.SampleTexts;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;

/** A sample text at a time, at a steady pace: a fixed collection, shuffled, over and over. */
final class SampleStream implements LineSource {

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
    SampleStream(double perSecond, long count, boolean pairs) {
        this.texts =
                new ArrayList<>(pairs ? SampleTexts.questions() : SampleTexts.ofShortLengths());
        this.nanosBetween = (long) (1e9 / perSecond);
        this.count = count;
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
