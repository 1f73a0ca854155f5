package io.streamformer.schemas;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class SinceTest {

    @Test
    void noFieldComesFromALaterRelease() throws IOException {
        Matcher version =
                Pattern.compile("<version>([0-9.]+)(-SNAPSHOT)?</version>")
                        .matcher(Files.readString(Path.of("..", "pom.xml")));
        assertThat(version.find()).isTrue();
        for (Path schema : schemas()) {
            List<MatchResult> fields =
                    Pattern.compile("\"since\": \"([^\"]*)\"")
                            .matcher(Files.readString(schema))
                            .results()
                            .toList();
            for (MatchResult field : fields) {
                assertThat(Arrays.compare(numbers(field.group(1)), numbers(version.group(1))))
                        .as(schema.getFileName() + " since " + field.group(1))
                        .isLessThanOrEqualTo(0);
            }
        }
    }

    private static List<Path> schemas() throws IOException {
        try (Stream<Path> files = Files.list(Path.of("src/main/avro"))) {
            return files.toList();
        }
    }

    private static int[] numbers(String release) {
        return Arrays.stream(release.split("\\.")).mapToInt(Integer::parseInt).toArray();
    }
}
