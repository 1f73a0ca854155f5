package io.streamformer.local;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.streamformer.flink.RecordCodec;
import io.streamformer.schemas.TextEvent;
import java.io.IOException;
import java.time.Instant;
import org.junit.jupiter.api.Test;

class FeederTest {

    private final RecordCodec<TextEvent> codec = RecordCodec.of(TextEvent.class);

    @Test
    void writesWhatAvroReads() throws IOException {
        String text = "Déjà vu \uD83D\uDE00\u0000";
        TextEvent event = codec.decode(Feeder.encode("42", text.getBytes(UTF_8), 1234));
        assertThat(event)
                .isEqualTo(
                        TextEvent.newBuilder()
                                .setId("42")
                                .setText(text)
                                .setTimestamp(Instant.ofEpochMilli(1234))
                                .build());
    }

    @Test
    void leavesBrokenTextForTheJobToRefuse() throws IOException {
        byte[] record = Feeder.encode("1", new byte[] {'a', (byte) 0xff}, 0);
        assertThatThrownBy(() -> codec.decode(record))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("UTF-8");
    }
}
