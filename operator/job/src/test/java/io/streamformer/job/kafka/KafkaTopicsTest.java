package io.streamformer.job.kafka;

import static org.assertj.core.api.Assertions.assertThat;

import io.streamformer.options.Options;
import java.util.List;
import org.junit.jupiter.api.Test;

class KafkaTopicsTest {

    @Test
    void jobsWithOtherTopicsHaveOtherTransactions() {
        String sentiment = prefix(Options.DEFAULTS, "text-sentiment");
        assertThat(sentiment).startsWith("streamformer-streamformer-");
        assertThat(prefix(Options.DEFAULTS, "text-sentiment")).isEqualTo(sentiment);
        assertThat(prefix(Options.DEFAULTS, "text-translations")).isNotEqualTo(sentiment);
        assertThat(prefix(Options.DEFAULTS, "text-sentiment", "text-translations"))
                .isNotEqualTo(sentiment)
                .isEqualTo(prefix(Options.DEFAULTS, "text-translations", "text-sentiment"));
        assertThat(
                        prefix(
                                Options.DEFAULTS.with(KafkaOptions.INPUT_GROUP_ID, "mine"),
                                "text-sentiment"))
                .startsWith("streamformer-mine-");
    }

    @Test
    void aPrefixThatIsSetIsTheJobs() {
        Options named = Options.DEFAULTS.with(KafkaOptions.TRANSACTION_PREFIX, "mine");
        assertThat(prefix(named, "text-sentiment")).isEqualTo("mine");
    }

    private static String prefix(Options options, String... resultsTopics) {
        return new KafkaTopics(options, List.of(resultsTopics)).transactionPrefix();
    }
}
