package io.streamformer;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Messages, comments and pages use usual words, and pages stay short. */
class PlainEnglishTest {

    private static final Path HOME = Path.of("../..").toAbsolutePath().normalize();

    /** Words for which there is a more usual one. */
    private static final Pattern WORDS =
            Pattern.compile(
                    ", seen\\b|\\b(hence|nor|lies|lie|stands|stand beside|but for|those of|that of)\\b",
                    Pattern.CASE_INSENSITIVE);

    private static final List<String> SOURCES =
            List.of(
                    "operator/core/src/main/java",
                    "operator/flink/src/main/java",
                    "operator/job/src/main/java",
                    "schemas/src/main/java",
                    "deploy/local/src/main/java");

    private static final List<String> PAGES =
            List.of(
                    "README.md",
                    "operator/README.md",
                    "operator/docs",
                    "deploy/local/README.md",
                    "deploy/local/docs",
                    "schemas/README.md",
                    "schemas/graphs.md",
                    "schemas/generation.md");

    /** The table of the options is as long as there are options. */
    private static final String TABLE = "options.md";

    private static final int MOST_WORDS = 1_200;

    @Test
    void messagesCommentsAndPagesUseUsualWords() throws IOException {
        List<String> found = new ArrayList<>();
        for (Path file : files(SOURCES, ".java")) {
            search(file, found);
        }
        for (Path file : files(PAGES, ".md")) {
            search(file, found);
        }
        assertThat(found).as("words with a more usual one").isEmpty();
    }

    @Test
    void pagesAreShort() throws IOException {
        for (Path page : files(PAGES, ".md")) {
            if (!page.endsWith(TABLE)) {
                assertThat(Files.readString(page).trim().split("\\s+"))
                        .as("words of " + HOME.relativize(page))
                        .hasSizeLessThanOrEqualTo(MOST_WORDS);
            }
        }
    }

    private static void search(Path file, List<String> found) throws IOException {
        List<String> lines = Files.readAllLines(file);
        for (int i = 0; i < lines.size(); i++) {
            Matcher matcher = WORDS.matcher(lines.get(i));
            if (matcher.find()) {
                found.add(HOME.relativize(file) + ":" + (i + 1) + ": " + matcher.group());
            }
        }
    }

    private static List<Path> files(List<String> roots, String ending) throws IOException {
        List<Path> files = new ArrayList<>();
        for (String root : roots) {
            try (Stream<Path> walk = Files.walk(HOME.resolve(root))) {
                walk.filter(file -> file.toString().endsWith(ending)).forEach(files::add);
            }
        }
        assertThat(files).isNotEmpty();
        return files;
    }
}
