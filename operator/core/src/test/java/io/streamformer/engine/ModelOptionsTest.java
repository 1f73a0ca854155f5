package io.streamformer.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.streamformer.bundle.Bundle;
import io.streamformer.bundle.DecodingOptions;
import io.streamformer.bundle.Manifest;
import io.streamformer.inference.GenerationOptions;
import io.streamformer.options.Option;
import io.streamformer.options.Options;
import io.streamformer.testing.TestBundle;
import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class ModelOptionsTest {

    private static final Manifest.Decoding BUNDLE =
            Bundle.read(TestBundle.resource(TestBundle.TRANSLATION)).manifest().decoding();

    static Stream<Arguments> brokenValues() {
        return Stream.of(
                broken(
                        ModelOptions.MAX_ROWS,
                        0,
                        "model.batch.max-rows is 0. It must be at least 1."),
                broken(ModelOptions.CACHE_MAX_BYTES, -1L, "It must be at least 0"),
                broken(ModelOptions.MAX_TOKENS, 0, "It must be at least 1"),
                broken(ModelOptions.MAX_DELAY, Duration.ofNanos(-1), "It must be 0 to 1 minute"),
                broken(ModelOptions.MAX_DELAY, Duration.ofHours(1), "It must be 0 to 1 minute"),
                broken(ModelOptions.MAX_TIME, Duration.ofNanos(-1), "It must be 0 or more"),
                broken(ModelOptions.RUN_THREADS, -1, "It must be at least 0"),
                broken(ModelOptions.INTRA_OP_THREADS, 0, "It must be at least 1"),
                broken(DecodingOptions.NUM_BEAMS, 17, "model.num-beams is 17. It must be 1 to 16."),
                broken(DecodingOptions.LENGTH_PENALTY, Float.NaN, "a finite number"),
                broken(DecodingOptions.NUM_RETURN_SEQUENCES, 0, "It must be 1 to 16"),
                broken(DecodingOptions.MIN_NEW_TOKENS, -1, "It must be at least 0"),
                broken(DecodingOptions.MAX_NEW_TOKENS, 0, "It must be at least 1"),
                broken(DecodingOptions.REPETITION_PENALTY, 0f, "a finite number above 0"),
                broken(DecodingOptions.NO_REPEAT_NGRAM_SIZE, -1, "It must be at least 0"),
                broken(DecodingOptions.SUPPRESS_TOKENS, List.of(-1), "token ids of at least 0"),
                broken(DecodingOptions.TEMPERATURE, -1f, "a finite number of at least 0"),
                broken(DecodingOptions.TOP_K, -1, "It must be at least 0"),
                broken(DecodingOptions.TOP_P, 0f, "above 0 and at most 1"));
    }

    @ParameterizedTest
    @MethodSource("brokenValues")
    <T> void refusesABrokenValue(Option<T> option, T value, String message) {
        assertThatThrownBy(() -> Options.DEFAULTS.with(option, value))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(message);
    }

    @Test
    void whatAJobSetsGoesBeforeTheBundle() {
        GenerationOptions bundle = GenerationOptions.of(Options.DEFAULTS, BUNDLE);
        Options set =
                Options.DEFAULTS
                        .with(DecodingOptions.NUM_BEAMS, 7)
                        .with(DecodingOptions.NUM_RETURN_SEQUENCES, 2)
                        .with(DecodingOptions.SUPPRESS_TOKENS, List.of(7, 8));
        GenerationOptions job = GenerationOptions.of(set, BUNDLE);

        assertThat(bundle.get(DecodingOptions.NUM_BEAMS))
                .isEqualTo(BUNDLE.options().get("num_beams"));
        assertThat(job.get(DecodingOptions.NUM_BEAMS)).isEqualTo(7);
        assertThat(job.get(DecodingOptions.NUM_RETURN_SEQUENCES)).isEqualTo(2);
        assertThat(job.get(DecodingOptions.SUPPRESS_TOKENS)).containsExactly(7, 8);
        assertThat(job.get(DecodingOptions.MAX_NEW_TOKENS))
                .isEqualTo(bundle.get(DecodingOptions.MAX_NEW_TOKENS));
    }

    @Test
    void aJobAllowsNoMoreTokensThanTheBundle() {
        int most = (Integer) BUNDLE.options().get("max_new_tokens");
        Options more = Options.DEFAULTS.with(DecodingOptions.MAX_NEW_TOKENS, most + 1);
        assertThatThrownBy(() -> GenerationOptions.of(more, BUNDLE))
                .hasMessageContaining("model.max-new-tokens is " + (most + 1))
                .hasMessageContaining("The bundle allows at most " + most);
    }

    private static <T> Arguments broken(Option<T> option, T value, String message) {
        return Arguments.of(option, value, message);
    }
}
