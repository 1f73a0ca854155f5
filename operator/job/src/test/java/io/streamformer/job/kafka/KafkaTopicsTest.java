package io.streamformer.job.kafka;

import static org.assertj.core.api.Assertions.assertThat;

import io.streamformer.options.Options;
import org.junit.jupiter.api.Test;

class KafkaTopicsTest {

    @Test
    void theTransactionsAreNamedAfterTheGroup() {
        assertThat(new KafkaTopics(Options.DEFAULTS).transactionPrefix())
                .isEqualTo("streamformer-streamformer");
        Options named = Options.DEFAULTS.with(KafkaOptions.TRANSACTION_PREFIX, "mine");
        assertThat(new KafkaTopics(named).transactionPrefix()).isEqualTo("mine");
    }
}
