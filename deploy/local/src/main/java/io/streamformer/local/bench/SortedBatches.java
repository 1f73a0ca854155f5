package io.streamformer.local.bench;

import io.streamformer.engine.ModelOptions;
import io.streamformer.inference.ModelInput;
import io.streamformer.options.Options;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/** Texts in ready batches, longest first, as many rows in each as the pipeline's limits allow. */
final class SortedBatches {

    private final List<List<ModelInput>> batches = new ArrayList<>();
    private final Options options;
    private final int texts;

    SortedBatches(List<ModelInput> texts, Options options) {
        this.options = options;
        this.texts = texts.size();
        List<ModelInput> sorted = new ArrayList<>(texts);
        sorted.sort(Comparator.comparingInt(SortedBatches::length).reversed());
        for (int from = 0; from < sorted.size(); ) {
            int to = Math.min(sorted.size(), from + mostRows(sorted.get(from)));
            batches.add(sorted.subList(from, to));
            from = to;
        }
    }

    int size() {
        return batches.size();
    }

    List<ModelInput> get(int index) {
        return batches.get(index);
    }

    /** True where a batch has all rows that it may have. */
    boolean isFull(List<ModelInput> batch) {
        return batch.size() == mostRows(batch.get(0));
    }

    /** What a session computes for all of them. */
    DeviceWork work() {
        long real = 0;
        long padded = 0;
        for (List<ModelInput> batch : batches) {
            padded += (long) length(batch.get(0)) * batch.size();
            real += batch.stream().mapToLong(SortedBatches::length).sum();
        }
        return new DeviceWork(texts, batches.size(), padded, real);
    }

    private int mostRows(ModelInput longest) {
        return Math.max(
                1,
                Math.min(
                        options.get(ModelOptions.MAX_ROWS),
                        options.get(ModelOptions.MAX_TOKENS) / length(longest)));
    }

    private static int length(ModelInput input) {
        return input.text().length();
    }
}
