package io.streamformer.local;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.streamformer.schemas.RecordCodec;
import io.streamformer.schemas.TextEvent;
import java.io.IOException;
import java.time.Instant;
import org.junit.jupiter.api.Test;

class TextEventsTest {

    private final RecordCodec<TextEvent> codec = RecordCodec.of(TextEvent.class);

    @Test
    void writesWhatAvroReads() throws IOException {
        String text = "Déjà vu \uD83D\uDE00\u0000";
        TextEvent event = codec.decode(TextEvents.encode("42", text.getBytes(UTF_8), false, 1234));
        assertThat(event)
                .isEqualTo(
                        TextEvent.newBuilder()
                                .setId("42")
                                .setText(text)
                                .setTimestamp(Instant.ofEpochMilli(1234))
                                .build());
    }

    @Test
    void splitsAQuestionFromItsContextAtTheFirstTab() throws IOException {
        byte[] line = "Où ?\tIci.\tOui.".getBytes(UTF_8);
        TextEvent pair = codec.decode(TextEvents.encode("1", line, true, 0));
        assertThat(pair.getText()).isEqualTo("Où ?");
        assertThat(pair.getTextPair()).isEqualTo("Ici.\tOui.");
        TextEvent text = codec.decode(TextEvents.encode("1", line, false, 0));
        assertThat(text.getText()).isEqualTo("Où ?\tIci.\tOui.");
        assertThat(text.getTextPair()).isNull();
        assertThat(codec.decode(TextEvents.encode("1", new byte[] {'a'}, true, 0)).getTextPair())
                .isNull();
    }

    @Test
    void leavesBrokenTextForTheJobToRefuse() throws IOException {
        byte[] record = TextEvents.encode("1", new byte[] {'a', (byte) 0xff}, true, 0);
        assertThatThrownBy(() -> codec.decode(record))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("UTF-8");
    }
}
