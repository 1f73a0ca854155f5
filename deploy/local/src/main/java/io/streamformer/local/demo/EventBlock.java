package io.streamformer.local.demo;

import io.streamformer.local.DemoTasks;
import io.streamformer.local.Screen;
import io.streamformer.local.Screen.Style;
import io.streamformer.schemas.Classification;
import java.util.Locale;
import org.apache.avro.specific.SpecificRecordBase;

/** An event as people see it: the text, and below it what came back. */
final class EventBlock {

    private static final String INDENT = "        ";

    private final Screen screen;
    private final StringBuilder block = new StringBuilder();

    private EventBlock(Screen screen) {
        this.screen = screen;
    }

    /** The lines of an event, as wide and as coloured as a screen shows them. */
    static String of(AnsweredEvent event, Screen screen) {
        EventBlock lines = new EventBlock(screen);
        lines.text(event);
        event.deadLetters().forEach(lines::deadLetter);
        lines.answers(event);
        return lines.block.toString();
    }

    private void text(AnsweredEvent event) {
        String text =
                event.text() == null ? "(too long to be sent)" : Screen.printable(event.text());
        String number = String.format(Locale.ROOT, "%6d  ", event.number());
        block.append(screen.paint(Style.DIM, number)).append(screen.cut(text, width(8)));
    }

    private void deadLetter(Reply.Dead dead) {
        String words =
                " " + dead.letter().getStage() + ": " + Screen.printable(dead.letter().getReason());
        newLine()
                .append(screen.paint(Style.BAD, "dead letter"))
                .append(screen.cut(words, width(19)));
    }

    private void answers(AnsweredEvent event) {
        StringBuilder answers = new StringBuilder();
        int used = INDENT.length();
        for (Reply reply : event.replies().values()) {
            if (reply instanceof Reply.Answered answered) {
                if (!answers.isEmpty()) {
                    answers.append("  ");
                    used += 2;
                }
                String all = Screen.printable(DemoTasks.words(answered.task(), answered.answer()));
                String words = screen.cut(all, width(used));
                used += words.codePointCount(0, words.length());
                answers.append(paint(answered.answer(), words));
            }
        }
        if (!answers.isEmpty()) {
            newLine().append(answers);
        }
    }

    private StringBuilder newLine() {
        return block.append(System.lineSeparator()).append(INDENT);
    }

    private int width(int used) {
        return screen.columns() - used;
    }

    private String paint(SpecificRecordBase answer, String words) {
        return answer instanceof Classification classification
                ? screen.paint(styleOf(classification.getLabel()), words)
                : words;
    }

    private static Style styleOf(String label) {
        String lower = label.toLowerCase(Locale.ROOT);
        if (lower.startsWith("pos")) {
            return Style.GOOD;
        }
        return lower.startsWith("neg") ? Style.BAD : Style.BOLD;
    }
}
