package io.streamformer.local.bench;

import java.util.ArrayList;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import java.util.Random;

/** Texts without end: a collection over and over, in a mixed order that is the same each time. */
final class TextMix implements Iterator<String> {

    private final List<String> order;
    private final Random random = new Random(1);
    private int next;

    TextMix(List<String> texts) {
        if (texts.isEmpty()) {
            throw new IllegalArgumentException("A mix needs at least one text.");
        }
        this.order = new ArrayList<>(texts);
    }

    @Override
    public boolean hasNext() {
        return true;
    }

    @Override
    public String next() {
        if (next == 0) {
            Collections.shuffle(order, random);
        }
        String text = order.get(next);
        next = (next + 1) % order.size();
        return text;
    }

    /** The first texts of a mix. */
    static List<String> take(List<String> texts, int count) {
        TextMix mix = new TextMix(texts);
        List<String> taken = new ArrayList<>(count);
        while (taken.size() < count) {
            taken.add(mix.next());
        }
        return taken;
    }
}
