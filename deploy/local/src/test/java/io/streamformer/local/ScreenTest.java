package io.streamformer.local;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class ScreenTest {

    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

    @Test
    void aTextDoesNotMoveTheCursor() {
        assertThat(Screen.printable("a\u001b[2J\r\n\u0000\u202eb\u2028")).isEqualTo("a·[2J····b·");
        assertThat(Screen.printable("\uD83D\uDC69\u200D\uD83D\uDE80 été \uD800"))
                .isEqualTo("\uD83D\uDC69\u200D\uD83D\uDE80 été ·");
    }

    @Test
    void aStreamThatFailsEndsWhatIsShown() {
        PrintStream full =
                new PrintStream(UserFiles.write("--output", Path.of("/dev/full")), true, UTF_8);
        Screen screen = Screen.of(full, "stdout");
        assertThatThrownBy(() -> screen.line("a line")).isInstanceOf(AccessException.class);
    }

    @Test
    void plainLinesWithoutATerminal() {
        Screen screen = screen(false);
        screen.status("totals");
        screen.line(screen.cut("A rather long line that does not fit", 31));
        assertThat(bytes.toString(UTF_8).lines())
                .containsExactly("A rather long line that does not fit");
    }

    @Test
    void totalsStayAtTheBottomOfATerminal() {
        Screen screen = screen(true);
        screen.status("totals");
        screen.line(screen.cut("A rather long line that does not fit", 31));
        screen.clearStatus();
        assertThat(bytes.toString(UTF_8))
                .isEqualTo(
                        "\r\u001b[Ktotals\r\u001b[K"
                                + "A rather long line that does n…"
                                + System.lineSeparator()
                                + "totals\r\u001b[K");
    }

    private Screen screen(boolean terminal) {
        return new Screen(new PrintStream(bytes, true, UTF_8), terminal, false, 31);
    }
}
