package io.streamformer.local.demo;

import static io.streamformer.bundle.Task.TEXT_CLASSIFICATION;
import static io.streamformer.bundle.Task.TRANSLATION;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.streamformer.bundle.Task;
import io.streamformer.local.Screen;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.util.EnumMap;
import java.util.Map;
import org.junit.jupiter.api.Test;

class EventBlockTest {

    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

    @Test
    void plainLinesWithoutATerminal() {
        Screen screen = screen(false);
        screen.status("totals");
        screen.line(EventBlock.of(event(), screen));
        assertThat(bytes.toString(UTF_8).lines())
                .containsExactly(
                        "     7  A rather long text that does not fit",
                        "        positive 0.98  Un texte plutôt long qui dépasse");
    }

    @Test
    void totalsStayAtTheBottomOfATerminal() {
        Screen screen = screen(true);
        screen.status("totals");
        screen.line(EventBlock.of(event(), screen));
        screen.clearStatus();
        assertThat(bytes.toString(UTF_8))
                .isEqualTo(
                        "\r\u001b[Ktotals\r\u001b[K"
                                + "     7  A rather long text tha…"
                                + System.lineSeparator()
                                + "        positive 0.98  Un text…"
                                + System.lineSeparator()
                                + "totals\r\u001b[K");
    }

    private Screen screen(boolean terminal) {
        return new Screen(new PrintStream(bytes, true, UTF_8), terminal, false, 31);
    }

    private static AnsweredEvent event() {
        Map<Task, Reply> replies = new EnumMap<>(Task.class);
        replies.put(TEXT_CLASSIFICATION, Replies.sentiment("positive", 0.98f));
        replies.put(TRANSLATION, Replies.translation("Un texte plutôt long qui dépasse", false));
        return new AnsweredEvent(
                7, "A rather long text that does not fit".getBytes(UTF_8), replies, 1);
    }
}
