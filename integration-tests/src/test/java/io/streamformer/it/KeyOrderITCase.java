package io.streamformer.it;

import static org.assertj.core.api.Assertions.assertThat;

import io.streamformer.flink.Order;
import io.streamformer.flink.StepOptions;
import io.streamformer.schemas.Classification;
import io.streamformer.schemas.RecordCodec;
import io.streamformer.schemas.TextEvent;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** Events of one key are answered in their order, also where a TaskManager dies in between. */
@ExtendWith(LocalStack.Extension.class)
class KeyOrderITCase {

    private static final int EVENTS = 4_000;
    private static final int KEYS = 16;

    private final LocalStack stack;

    KeyOrderITCase(LocalStack stack) {
        this.stack = stack;
    }

    @Test
    void resultsOfAKeyKeepTheirOrderThroughARestore() throws Exception {
        try (TestJob job =
                TestJob.start(
                        stack,
                        List.of(TestBundles.TINY_SENTIMENT),
                        options -> options.set(StepOptions.ASYNC_ORDER, Order.KEY))) {
            send(job, 0, EVENTS / 2);
            job.await(EVENTS / 8);
            stack.replaceTaskManager();
            send(job, EVENTS / 2, EVENTS);
            job.await(EVENTS);

            assertThat(stack.attempts(job.job())).as("the job was restarted").isGreaterThan(0);
            Map<String, List<Integer>> idsByKey = new HashMap<>();
            for (TestJob.Outcome outcome : job.readAll("read_committed")) {
                idsByKey.computeIfAbsent(outcome.key(), key -> new ArrayList<>())
                        .add(Integer.valueOf(((Classification) outcome.value()).getId()));
            }
            assertThat(idsByKey).hasSize(KEYS);
            assertThat(idsByKey.values())
                    .allSatisfy(
                            ids ->
                                    assertThat(ids)
                                            .hasSize(EVENTS / KEYS)
                                            .isSorted()
                                            .doesNotHaveDuplicates());
        }
    }

    /** Short and long texts by turns, so that later ones are often answered first. */
    private static void send(TestJob job, int from, int to) throws Exception {
        List<Future<?>> sent = new ArrayList<>();
        for (int i = from; i < to; i++) {
            TextEvent event =
                    TextEvent.newBuilder()
                            .setId(Integer.toString(i))
                            .setText("a good word ".repeat(1 + (i * 7) % 12))
                            .build();
            sent.add(job.sendRaw("key-" + i % KEYS, RecordCodec.of(TextEvent.class).encode(event)));
        }
        for (Future<?> one : sent) {
            one.get();
        }
    }
}
