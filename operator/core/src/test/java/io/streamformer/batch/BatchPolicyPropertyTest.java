package io.streamformer.batch;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;

class BatchPolicyPropertyTest {

    private static final int LONGEST = 40;

    @Property
    void everyRowIsServedOnceWithinTheLimitsAndTheOldestIsInEachBatch(
            @ForAll @Size(max = 200) List<@IntRange(min = 1, max = LONGEST) Integer> lengths,
            @ForAll @IntRange(min = 1, max = 20) int maxRows,
            @ForAll @IntRange(min = LONGEST, max = 300) int maxTokens,
            @ForAll @IntRange(min = 1, max = 10) int arrivalsPerBatch) {
        BatchPolicy<FakeRow> policy =
                new BatchPolicy<>(
                        new BatchLimits(maxRows, maxTokens, LONGEST, Duration.ZERO, Duration.ZERO));
        ArrayDeque<FakeRow> waiting = new ArrayDeque<>();
        Set<FakeRow> served = new HashSet<>();
        int next = 0;
        while (served.size() < lengths.size()) {
            for (int i = 0; i < arrivalsPerBatch && next < lengths.size(); i++, next++) {
                FakeRow row = new FakeRow("row", lengths.get(next), next);
                policy.add(row);
                waiting.add(row);
            }

            List<FakeRow> batch = policy.next();

            assertThat(batch).isNotEmpty().contains(waiting.peek());
            assertThat(batch.size()).isLessThanOrEqualTo(maxRows);
            assertThat(batch.get(0).length() * batch.size()).isLessThanOrEqualTo(maxTokens);
            assertThat(batch)
                    .isSortedAccordingTo((a, b) -> Integer.compare(b.length(), a.length()));
            assertThat(served).doesNotContainAnyElementsOf(batch);
            served.addAll(batch);
            waiting.removeAll(batch);
            assertThat(policy.waiting()).isEqualTo(waiting.size());
        }
        assertThat(policy.next()).isEmpty();
    }
}
