package io.streamformer.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.streamformer.engine.InferencePipeline;
import io.streamformer.engine.ModelOptions;
import io.streamformer.inference.Device;
import io.streamformer.options.Options;
import io.streamformer.schemas.Classification;
import io.streamformer.schemas.Translation;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Future;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The same text gives the same answer alone and in any batch, through the whole job. */
@ExtendWith(LocalStack.Extension.class)
class SameAnswerITCase {

    private static final String[] WORDS =
            ("the a old small red dog man woman child is was sees loves runs sleeps reads in on"
                            + " under house park street snow rain and but because")
                    .split(" ");

    private final LocalStack stack;

    SameAnswerITCase(LocalStack stack) {
        this.stack = stack;
    }

    static List<Path> bundles() {
        return TestBundles.all();
    }

    @ParameterizedTest
    @MethodSource("bundles")
    void aloneAndInAnyBatch(Path bundle) throws Exception {
        List<String> texts = texts();
        Map<String, Object> alone = answers(bundle, texts, 1, new Random(1));
        Options batched =
                Options.DEFAULTS
                        .with(ModelOptions.DEVICE, Device.CPU)
                        .with(ModelOptions.MAX_ROWS, 32);
        // A lease of our own on the session that the job joins, for its counters.
        try (InferencePipeline pipeline = InferencePipeline.acquire(bundle, batched)) {
            for (int order = 2; order <= 3; order++) {
                assertSame(alone, answers(bundle, texts, 32, new Random(order)));
            }
            assertThat(pipeline.stats().rows()).isEqualTo(2L * texts.size());
            // How many share one depends on how fast the machine delivers them.
            assertThat(pipeline.stats().batches())
                    .as("texts did share batches")
                    .isLessThan(pipeline.stats().rows());
        }
    }

    private static void assertSame(Map<String, Object> alone, Map<String, Object> batched) {
        assertThat(batched).hasSameSizeAs(alone);
        alone.forEach(
                (key, expected) -> {
                    if (expected instanceof Classification one) {
                        Classification other = (Classification) batched.get(key);
                        assertThat(other.getLabel()).as(key).isEqualTo(one.getLabel());
                        assertThat(other.getScore())
                                .as(key)
                                .isCloseTo(one.getScore(), within(1e-5f));
                    } else {
                        Translation one = (Translation) expected;
                        Translation other = (Translation) batched.get(key);
                        assertThat(other.getText()).as(key).isEqualTo(one.getText());
                        assertThat(other.getOutputTokens())
                                .as(key)
                                .isEqualTo(one.getOutputTokens());
                    }
                });
    }

    private Map<String, Object> answers(Path bundle, List<String> texts, int maxRows, Random random)
            throws Exception {
        List<Integer> order = new ArrayList<>();
        for (int i = 0; i < texts.size(); i++) {
            order.add(i);
        }
        Collections.shuffle(order, random);
        try (TestJob job =
                TestJob.start(
                        stack,
                        List.of(bundle),
                        options -> options.set(ModelOptions.MAX_ROWS, maxRows))) {
            List<Future<?>> sent = new ArrayList<>();
            for (int i : order) {
                sent.add(job.sendLater(Integer.toString(i), texts.get(i)));
            }
            for (Future<?> one : sent) {
                one.get();
            }
            Map<String, Object> answers = new HashMap<>();
            job.await(texts.size()).forEach(outcome -> answers.put(outcome.key(), outcome.value()));
            return answers;
        }
    }

    /** Texts of very different lengths, so that rows of a batch are padded. */
    private static List<String> texts() {
        Random random = new Random(7);
        List<String> texts = new ArrayList<>();
        for (int i = 0; i < 160; i++) {
            StringBuilder text = new StringBuilder();
            int words = 1 + random.nextInt(i % 4 == 0 ? 40 : 10);
            for (int w = 0; w < words; w++) {
                text.append(WORDS[random.nextInt(WORDS.length)]).append(' ');
            }
            texts.add(text.append(i).append('.').toString());
        }
        return texts;
    }
}
