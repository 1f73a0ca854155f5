package io.streamformer.local.bench;

import static org.assertj.core.api.Assertions.assertThat;

import io.streamformer.engine.ModelOptions;
import io.streamformer.inference.ModelInput;
import io.streamformer.options.Options;
import io.streamformer.tokenize.TokenizedText;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class SortedBatchesTest {

    private final Options options =
            Options.DEFAULTS.with(ModelOptions.MAX_ROWS, 3).with(ModelOptions.MAX_TOKENS, 20);

    @Test
    void takesTheLongestFirstAndKeepsToBothLimits() {
        SortedBatches batches = new SortedBatches(texts(2, 9, 3, 10, 1, 4, 2), options);
        assertThat(lengths(batches))
                .containsExactly(List.of(10, 9), List.of(4, 3, 2), List.of(2, 1));
        // 20 tokens are two rows of 10; three rows are the most of all.
        assertThat(IntStream.range(0, 3).mapToObj(i -> batches.isFull(batches.get(i))))
                .containsExactly(true, true, false);
        assertThat(batches.work()).isEqualTo(new DeviceWork(7, 3, 20 + 12 + 4, 31));
    }

    @Test
    void aTextBeyondTheLimitOfTokensRunsAlone() {
        assertThat(lengths(new SortedBatches(texts(50, 40), options)))
                .containsExactly(List.of(50), List.of(40));
    }

    private static List<ModelInput> texts(int... lengths) {
        return IntStream.of(lengths)
                .mapToObj(n -> new TokenizedText(new long[n], new long[n], false))
                .map(text -> ModelInput.of(text, null))
                .toList();
    }

    private static List<List<Integer>> lengths(SortedBatches batches) {
        return IntStream.range(0, batches.size())
                .mapToObj(i -> batches.get(i).stream().map(row -> row.text().length()).toList())
                .toList();
    }
}
