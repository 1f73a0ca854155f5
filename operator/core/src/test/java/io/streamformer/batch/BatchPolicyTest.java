package io.streamformer.batch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class BatchPolicyTest {

    private static final long MILLI = 1_000_000;

    /** Lengths in order of arrival; batches as lengths, the longest first. */
    @ParameterizedTest(name = "{0}: {3} in batches of {1} rows, {2} tokens")
    @CsvSource(
            delimiter = ';',
            value = {
                "all fit; 4; 100; 5 3 4; 5 4 3",
                "row limit; 2; 100; 5 5 5; 5 5 | 5",
                "the window around the oldest; 3; 100; 5 9 9 9 4 6; 6 5 4 | 9 9 9",
                "the cheaper neighbour first; 2; 100; 5 9 4; 5 4 | 9",
                "the same length costs nothing; 3; 100; 5 4 5 5; 5 5 5 | 4",
                "many rows pay for a longer one; 4; 100; 5 5 5 6 3; 5 5 5 3 | 6",
                "token budget; 9; 12; 4 4 4 4; 4 4 4 | 4",
                "budget counts the padding; 9; 12; 2 7 2; 2 2 | 7",
                "budget of the longer row; 3; 12; 5 6 6; 6 5 | 6",
                "longest row alone; 9; 12; 12 1 1; 12 | 1 1",
                "the oldest is not passed over; 2; 100; 50 1 1 1 1; 50 | 1 1 | 1 1",
                "padding that costs less than a run; 8; 1000; 9 40; 40 9",
                "padding that costs more than a run; 8; 1000; 9 50; 9 | 50",
                "all padding of a batch counts; 8; 1000; 9 9 50; 9 9 | 50",
                "as many of a length as are worth it; 8; 1000; 30 20 20 20 20; 30 20 20 20 | 20",
            })
    void formsBatches(String name, int maxRows, int maxTokens, String lengths, String expected) {
        BatchPolicy<FakeRow> policy = policy(maxRows, maxTokens, Duration.ZERO);
        add(policy, lengths);

        List<String> batches = new ArrayList<>();
        for (List<FakeRow> batch = policy.next(); !batch.isEmpty(); batch = policy.next()) {
            batches.add(lengths(batch));
        }

        assertThat(String.join(" | ", batches)).isEqualTo(expected);
        assertThat(policy.waiting()).isZero();
    }

    @Test
    void servesRowsOfOneLengthInOrder() {
        BatchPolicy<FakeRow> policy = policy(2, 100, Duration.ZERO);
        add(policy, "5 5 5");

        assertThat(policy.next()).extracting(FakeRow::name).containsExactly("0", "1");
        assertThat(policy.next()).extracting(FakeRow::name).containsExactly("2");
    }

    @Test
    void dropsAbandonedRows() {
        BatchPolicy<FakeRow> policy = policy(3, 100, Duration.ZERO);
        List<FakeRow> rows = add(policy, "5 5 5 7 6");
        rows.get(0).abandon();
        rows.get(2).abandon();
        rows.get(3).abandon();

        assertThat(policy.next()).containsExactly(rows.get(4), rows.get(1));
        assertThat(policy.waiting()).isZero();
    }

    @Test
    void hasNoBatchWhereEveryRowIsAbandoned() {
        BatchPolicy<FakeRow> policy = policy(3, 100, Duration.ZERO);
        add(policy, "5 6").forEach(FakeRow::abandon);

        assertThat(policy.next()).isEmpty();
        assertThat(policy.waiting()).isZero();
        assertThat(policy.dueIn(0, true)).isEqualTo(Long.MAX_VALUE);
    }

    @Test
    void isDueAtOnceWhileTheDeviceIsIdle() {
        BatchPolicy<FakeRow> policy = policy(4, 100, Duration.ofMillis(3));
        assertThat(policy.dueIn(0, true)).isEqualTo(Long.MAX_VALUE);

        add(policy, "5");

        assertThat(policy.dueIn(0, true)).isLessThanOrEqualTo(0);
    }

    @Test
    void waitsABoundedTimeWhileTheDeviceIsBusy() {
        BatchPolicy<FakeRow> policy = policy(4, 100, Duration.ofMillis(3));
        policy.ran(40 * MILLI, 100);
        add(policy, "5");

        assertThat(policy.dueIn(0, false)).isEqualTo(3 * MILLI);
        assertThat(policy.dueIn(2 * MILLI, false)).isEqualTo(MILLI);
        assertThat(policy.dueIn(3 * MILLI, false)).isLessThanOrEqualTo(0);
    }

    @Test
    void waitsLessWhereRunsAreShort() {
        BatchPolicy<FakeRow> policy = policy(4, 100, Duration.ofMillis(3));
        policy.ran(2 * MILLI, 100);
        add(policy, "5");

        assertThat(policy.dueIn(0, false)).isEqualTo(MILLI / 2);
    }

    @Test
    void isDueAtOnceWhenItIsFull() {
        BatchPolicy<FakeRow> policy = policy(2, 100, Duration.ofMillis(3));
        policy.ran(40 * MILLI, 100);
        add(policy, "5 50");

        assertThat(policy.dueIn(0, false)).isLessThanOrEqualTo(0);
    }

    @Test
    void remembersTheCeilingOfTheMemory() {
        BatchPolicy<FakeRow> policy = policy(8, 100, Duration.ZERO);
        policy.outOfMemory(10, 8);
        add(policy, "10 10 10 10 10 50");

        assertThat(policy.tokenCeiling(10)).isEqualTo(40);
        assertThat(policy.tokenCeiling(5)).as("shorter rows need less memory").isEqualTo(100);
        assertThat(lengths(policy.next())).isEqualTo("10 10 10 10");
        assertThat(lengths(policy.next())).isEqualTo("10");
        // A row beyond the ceiling is tried alone rather than never.
        assertThat(lengths(policy.next())).isEqualTo("50");
    }

    @Test
    void triesALearnedCeilingAgainAfterManyGoodRuns() {
        BatchPolicy<FakeRow> policy = policy(8, 100, Duration.ZERO);
        policy.outOfMemory(10, 8);
        fit(policy, 255, 10, 4);
        assertThat(policy.tokenCeiling(10)).isEqualTo(40);
        fit(policy, 1_000, 10, 2);
        assertThat(policy.tokenCeiling(10)).as("smaller runs prove nothing").isEqualTo(40);
        fit(policy, 1, 10, 4);
        assertThat(policy.tokenCeiling(10)).isEqualTo(50);

        policy.outOfMemory(10, 5);
        assertThat(policy.tokenCeiling(10)).as("what fitted before").isEqualTo(40);
        fit(policy, 511, 10, 4);
        assertThat(policy.tokenCeiling(10)).as("more patient than before").isEqualTo(40);
        fit(policy, 1, 10, 4);
        assertThat(policy.tokenCeiling(10)).isEqualTo(50);

        policy.outOfMemory(10, 4);
        assertThat(policy.tokenCeiling(10)).as("there is less memory now").isEqualTo(20);
    }

    @Test
    void aLearnedCeilingRisesToTheLimitInTheEnd() {
        BatchPolicy<FakeRow> policy = policy(8, 100, Duration.ZERO);
        policy.outOfMemory(10, 8);
        for (int i = 0; i < 20; i++) {
            fit(policy, 256, 10, policy.tokenCeiling(10) / 10);
            fit(policy, 256, 50, Math.max(1, policy.tokenCeiling(50) / 50));
        }
        assertThat(policy.tokenCeiling(10)).isEqualTo(100);
        assertThat(policy.tokenCeiling(50)).isEqualTo(100);
    }

    private static void fit(BatchPolicy<FakeRow> policy, int runs, int longest, int rows) {
        for (int i = 0; i < runs; i++) {
            policy.fitted(longest, rows);
        }
    }

    @Test
    void keepsABatchWithinItsTime() {
        BatchPolicy<FakeRow> policy =
                new BatchPolicy<>(
                        new BatchLimits(8, 100, 100, Duration.ZERO, Duration.ofMillis(20)));
        add(policy, "10 10 10 10 10 10 50");
        // Half a millisecond for each padded token, and nothing for the run: 20 ms are 40 tokens.
        policy.ran(50 * MILLI, 100);
        policy.ran(5 * MILLI, 10);

        assertThat(policy.tokenCeiling(10)).isEqualTo(40);
        assertThat(lengths(policy.next())).isEqualTo("10 10 10 10");
        assertThat(lengths(policy.next())).isEqualTo("10 10");
        // A row that takes longer by itself is run alone rather than never.
        assertThat(lengths(policy.next())).isEqualTo("50");
    }

    @Test
    void servesAHigherPriorityFirstAndALowerOneInTheEnd() {
        BatchPolicy<FakeRow> policy = policy(1, 100, Duration.ZERO);
        long second = 1_000 * MILLI;
        policy.add(new FakeRow("low", 5, 0, Priority.LOW));
        policy.add(new FakeRow("normal", 5, second, Priority.NORMAL));
        policy.add(new FakeRow("other length", 7, 2 * second, Priority.HIGH));
        policy.add(new FakeRow("high", 5, 3 * second, Priority.HIGH));
        policy.add(new FakeRow("after the low one's wait", 5, 11 * second, Priority.NORMAL));

        List<String> order = new ArrayList<>();
        for (List<FakeRow> batch = policy.next(); !batch.isEmpty(); batch = policy.next()) {
            order.add(batch.get(0).name());
        }

        assertThat(order)
                .containsExactly(
                        "other length", "high", "normal", "low", "after the low one's wait");
    }

    @Test
    void refusesABudgetThatTheLongestTextBreaks() {
        assertThatThrownBy(() -> new BatchLimits(8, 100, 128, Duration.ZERO, Duration.ZERO))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("maxBatchTokens")
                .hasMessageContaining("128")
                .hasMessageContaining("maxBatchTokens is 100");
    }

    @Test
    void refusesARowBeyondTheLongest() {
        BatchPolicy<FakeRow> policy = policy(8, 100, Duration.ZERO);

        assertThatThrownBy(() -> add(policy, "101"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("1 to 100 tokens, but this one has 101");
    }

    private static BatchPolicy<FakeRow> policy(int maxRows, int maxTokens, Duration maxDelay) {
        return new BatchPolicy<>(
                new BatchLimits(maxRows, maxTokens, maxTokens, maxDelay, Duration.ZERO));
    }

    private static List<FakeRow> add(BatchPolicy<FakeRow> policy, String lengths) {
        List<FakeRow> rows = new ArrayList<>();
        for (String length : Arrays.asList(lengths.split(" "))) {
            int index = rows.size();
            FakeRow row =
                    new FakeRow(
                            String.format(Locale.ROOT, "%d", index),
                            Integer.parseInt(length),
                            index);
            rows.add(row);
            policy.add(row);
        }
        return rows;
    }

    private static String lengths(List<FakeRow> batch) {
        return batch.stream()
                .map(row -> Integer.toString(row.length()))
                .collect(Collectors.joining(" "));
    }
}
