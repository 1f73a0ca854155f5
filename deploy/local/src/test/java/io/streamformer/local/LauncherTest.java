package io.streamformer.local;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What the launcher gives the JVM; in its place runs a script that writes down what it got. */
class LauncherTest {

    private static final String JAVA =
            """
            #!/usr/bin/env bash
            if [[ $1 == -XshowSettings:properties ]]; then
              echo '    java.specification.version = 17' >&2
              exit
            fi
            for fd in 0 1 2; do echo "$fd=$(readlink /proc/$$/fd/$fd)" >&9; done
            {
              echo "locale=$(locale charmap)"
              echo "last=${!#}"
            } >&9
            echo text 2>&9 && echo writes=yes >&9 || echo writes=no >&9
            """;

    @TempDir private Path temporary;
    private Path launcher;
    private Path record;

    @BeforeEach
    void copyLauncher() throws Exception {
        // A checkout may be anywhere.
        Path local = temporary.resolve("a check out/deploy/local");
        Files.createDirectories(local.resolve("target"));
        launcher = Files.copy(Path.of("streamformer"), local.resolve("streamformer"));
        Path jar = Files.createFile(local.resolve("target/streamformer-local-1.jar"));
        Files.writeString(local.resolve("target/classpath.txt"), jar.toString());
        Path java = Files.createDirectories(temporary.resolve("jdk/bin")).resolve("java");
        Files.writeString(java, JAVA);
        assertThat(java.toFile().setExecutable(true)).isTrue();
        record = temporary.resolve("record");
    }

    private List<String> run(String redirected) throws Exception {
        ProcessBuilder bash =
                new ProcessBuilder(
                                "bash",
                                "-c",
                                "\"$0\" demo last 9>\"$RECORD\" " + redirected,
                                "" + launcher)
                        .redirectErrorStream(true);
        bash.environment().put("JAVA_HOME", temporary.resolve("jdk").toString());
        bash.environment().put("RECORD", record.toString());
        bash.environment().put("LC_ALL", "C");
        Process process = bash.start();
        process.getOutputStream().close();
        String said = new String(process.getInputStream().readAllBytes(), UTF_8);
        assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
        assertThat(record).as(said).exists();
        return Files.readAllLines(record);
    }

    @Test
    void namesOfFilesAreUtf8WhateverTheLocale() throws Exception {
        assertThat(run("")).contains("locale=UTF-8", "last=last");
    }

    @Test
    void closedInputIsEmpty() throws Exception {
        assertThat(run("<&-")).contains("0=/dev/null", "writes=yes");
    }

    @Test
    void closedOutputRefusesWhatIsWritten() throws Exception {
        assertThat(run(">&-")).contains("1=/dev/null", "writes=no");
    }

    @Test
    void closedErrorsGoNowhere() throws Exception {
        // Without an input bash reads the launcher itself as fd 0; else as fd 2, for reading only.
        assertThat(run("<&- 2>&-")).contains("0=/dev/null", "2=/dev/null", "writes=yes");
        assertThat(run("2>&-")).contains("writes=yes").doesNotContain("2=");
    }
}
