package io.streamformer.local;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What the command line says to arguments that cannot be: one line on stderr, exit code 2. */
class MainTest {

    private final PrintStream realOut = System.out;
    private final PrintStream realErr = System.err;
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private final ByteArrayOutputStream err = new ByteArrayOutputStream();

    @TempDir private Path folder;

    @BeforeEach
    void capture() {
        System.setOut(new PrintStream(out, true, UTF_8));
        System.setErr(new PrintStream(err, true, UTF_8));
    }

    @AfterEach
    void release() {
        System.setOut(realOut);
        System.setErr(realErr);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "''                                   | Say what to do: streamformer demo",
                "demo --bogus                         | Unknown option: '--bogus'",
                "demo extra                           | Unmatched argument at index 1: 'extra'",
                "demo --file x --stdin                | mutually exclusive",
                "demo --file nowhere.txt              | --file must be an existing file:"
                        + " nowhere.txt does not exist. Check the path",
                "demo --file .                        | . is a folder, not a file. Name a file",
                "demo --output nowhere/out            | --output must be in an existing folder",
                "demo --output .                      | --output must be a file: . is a folder",
                "demo --tasks sentiment,parsing       | --tasks is 'parsing'. Give sentiment, entities, answer",
                "demo --tasks entities                | No bundle for entities comes with"
                        + " Streamformer",
                "demo --parallelism 0                 | --parallelism must be 1 to 128, but it is 0",
                "demo --parallelism two               | 'two' is not an int",
                "demo --beams 0                       | --beams must be 1 to 16, but it is 0",
                "demo --device tpu                    | The device is 'tpu'. Give auto, cpu or cuda:N, with commas between several GPUs.",
                "demo --rate 0                        | --rate must be more than 0",
                "demo --stdin --events 3              | --events is for the sample stream",
                "demo --checkpoint-interval 1         | --checkpoint-interval must be 10 to 600000",
                "demo --bundle nowhere                | --bundle must be a folder with a manifest.json: nowhere does not exist",
                "bench --rounds 0                     | --rounds must be 1 to 100, but it is 0",
                "bench --records 1                    | --records must be 10 to 10000000, but it is 1",
                "bench --beams 0                      | --beams must be 1 to 16, but it is 0",
                "bench --texts nowhere.txt            | --texts must be an existing file",
                "bench --json nowhere/out             | --json must be in an existing folder",
                "bench --rounds 2 load                | Options must come after streamformer bench"
                        + " load, but it is --rounds before it",
                "bench load --loads 0.5,3             | --loads must be 0.01 to 2, but it is [0.5, 3.0]",
                "bench load --loads 0.5,0.25          | --loads must ascend, but it is [0.5, 0.25]",
                "bench load --loads half              | 'half' is not a double",
                "bench load --seconds 0               | --seconds must be 1 to 3600, but it is 0",
                "bench load --picture nowhere/out.svg | --picture must be in an existing folder",
                "bench soak --records 10              | --records must be 100 to 10000000, but it is 10",
                "bench soak --device tpu              | The device is 'tpu'. Give auto, cpu or cuda:N, with commas between several GPUs.",
                "bench scale --parallelism 1,0        | --parallelism must be 1 to 128, but it is 0",
                "bench scale --bundles 0              | --bundles must be 1 to 16, but it is [0]",
                "bench scale --texts nowhere.txt      | --texts must be an existing file",
            })
    void refusesBadArguments(String arguments, String expected) {
        String[] args = arguments.isEmpty() ? new String[0] : arguments.split(" ");
        assertThat(Main.run(args)).isEqualTo(2);
        assertThat(err.toString(UTF_8).lines()).hasSize(1);
        assertThat(err.toString(UTF_8)).startsWith("streamformer: ").contains(expected);
        assertThat(out.toString(UTF_8)).isEmpty();
    }

    @Test
    void doesNotOverwriteItsInput() throws Exception {
        Path file = Files.writeString(folder.resolve("in.txt"), "a line");
        assertThat(Main.run("demo", "--file", file.toString(), "--output", file.toString()))
                .isEqualTo(2);
        assertThat(err.toString(UTF_8)).contains("--output must be another file than --file");
        assertThat(file).hasContent("a line");
    }

    @ParameterizedTest
    @CsvSource({"--help", "demo --help", "bench load --help", "--version"})
    void endsWhereTheStandardOutputFails(String arguments) {
        OutputStream broken = UserFiles.write("--output", Path.of("/dev/full"));
        System.setOut(new PrintStream(broken, true, UTF_8));
        assertThat(Main.run(arguments.split(" "))).isEqualTo(1);
        assertThat(err.toString(UTF_8).lines()).hasSize(1);
        assertThat(err.toString(UTF_8)).contains("No space left on device. Free space");
    }

    @ParameterizedTest
    @CsvSource({"demo --file", "demo --output", "demo --bundle", "bench --texts", "bench --json"})
    void saysWhereALinkLeads(String arguments) throws Exception {
        Path link = folder.resolve("a\n'link' #1%20:é漢");
        Files.createSymbolicLink(link, Path.of("gone", "file"));
        String[] words = (arguments + " x").split(" ");
        words[2] = link.toString();
        assertThat(Main.run(words)).isEqualTo(2);
        assertThat(err.toString(UTF_8).lines()).hasSize(1);
        assertThat(err.toString(UTF_8))
                .contains("a 'link' #1%20:é漢 is a link to " + folder.resolve("gone/file"));
    }

    @ParameterizedTest
    @CsvSource({
        "--help",
        "demo --help",
        "bench --help",
        "bench load --help",
        "bench soak --help",
        "bench scale --help",
        "help demo",
        "--version"
    })
    void explainsItself(String arguments) {
        assertThat(Main.run(arguments.split(" "))).isZero();
        assertThat(out.toString(UTF_8)).containsIgnoringCase("streamformer");
        assertThat(err.toString(UTF_8)).isEmpty();
    }
}
