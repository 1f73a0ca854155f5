package io.streamformer.task;

import java.util.AbstractMap;
import java.util.AbstractSet;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Set;

/** A map of label to score over the model's labels and one array: no object per entry. */
final class LabelScores extends AbstractMap<String, Float> {

    private final List<String> labels;
    private final float[] scores;

    LabelScores(List<String> labels, float[] scores) {
        this.labels = labels;
        this.scores = scores;
    }

    @Override
    public Set<Map.Entry<String, Float>> entrySet() {
        return new AbstractSet<>() {
            @Override
            public Iterator<Map.Entry<String, Float>> iterator() {
                return new Entries();
            }

            @Override
            public int size() {
                return scores.length;
            }
        };
    }

    private final class Entries implements Iterator<Map.Entry<String, Float>> {
        private int next;

        @Override
        public boolean hasNext() {
            return next < scores.length;
        }

        @Override
        public Map.Entry<String, Float> next() {
            if (!hasNext()) {
                throw new NoSuchElementException();
            }
            int i = next++;
            return Map.entry(labels.get(i), scores[i]);
        }
    }
}
