package io.streamformer.it;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.streamformer.local.Main;
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** {@code streamformer demo} from its arguments to its exit code. */
@ExtendWith(LocalStack.Extension.class)
@Timeout(value = 5, unit = TimeUnit.MINUTES)
class DemoITCase {

    private static final JsonMapper JSON = new JsonMapper();

    @TempDir private Path folder;

    @Test
    void everyLineOfAFileHasItsOutcomeInOrder() throws Exception {
        ByteArrayOutputStream input = new ByteArrayOutputStream();
        for (int i = 1; i <= 200; i++) {
            input.writeBytes(("This is line " + i + ".\n").getBytes(UTF_8));
        }
        input.writeBytes(new byte[] {'b', 'a', 'd', (byte) 0xff, '\n'});
        input.writeBytes("\n".getBytes(UTF_8));
        input.writeBytes("Windows line\r\n".getBytes(UTF_8));
        input.writeBytes("word ".repeat(200_000).getBytes(UTF_8));
        Path file = Files.write(folder.resolve("in.txt"), input.toByteArray());
        Path output = folder.resolve("out.jsonl");

        assertThat(run("--file", file.toString(), "--output", output.toString())).isZero();

        List<JsonNode> lines = read(output);
        assertThat(lines).hasSize(204);
        for (int i = 0; i < lines.size(); i++) {
            assertThat(lines.get(i).get("id").asInt()).isEqualTo(i + 1);
        }
        for (JsonNode line : lines.subList(0, 200)) {
            assertThat(line.get("text").asText()).isEqualTo("This is line " + line.get("id") + ".");
            assertThat(line.at("/sentiment/label").asText()).isIn("negative", "positive");
            assertThat(line.at("/sentiment/score").asDouble()).isBetween(0.5, 1.0);
            assertThat(line.at("/translation/text").isTextual()).isTrue();
            assertThat(line.at("/translation/language").asText()).isEqualTo("fr");
            assertThat(line.at("/models/sentiment/version").asText()).isNotEmpty();
            assertThat(line.has("dead_letter")).isFalse();
        }
        assertThat(lines.get(200).at("/dead_letter/stage").asText()).isEqualTo("deserialize");
        assertThat(lines.get(201).at("/dead_letter/stage").asText()).isEqualTo("validate");
        assertThat(lines.get(201).at("/dead_letter/reason").asText()).isNotEmpty();
        assertThat(lines.get(202).get("text").asText()).isEqualTo("Windows line");
        assertThat(lines.get(203).get("truncated").asBoolean()).isTrue();
    }

    @Test
    void oneTaskOnAnExistingKafkaTwice(LocalStack stack) throws Exception {
        Path file = Files.writeString(folder.resolve("in.txt"), "One.\nTwo.\nThree.");
        String prefix = UUID.randomUUID() + "-";
        for (int run = 1; run <= 2; run++) {
            // The second run finds the topics and the records of the first.
            Path output = folder.resolve("out" + run + ".jsonl");
            assertThat(
                            Main.run(
                                    "demo",
                                    "--tasks",
                                    "sentiment",
                                    "--bundle",
                                    TestBundles.TINY_SENTIMENT.toString(),
                                    "--bootstrap-servers",
                                    stack.bootstrapServers(),
                                    "--topic-prefix",
                                    prefix,
                                    "--file",
                                    file.toString(),
                                    "--output",
                                    output.toString()))
                    .isZero();
            assertThat(read(output))
                    .hasSize(3)
                    .allSatisfy(
                            line -> {
                                assertThat(line.has("sentiment")).isTrue();
                                assertThat(line.has("translation")).isFalse();
                            });
        }
    }

    @Test
    void anEmptyFileHasNoOutcome(LocalStack stack) throws Exception {
        Path file = Files.createFile(folder.resolve("in.txt"));
        Path output = folder.resolve("out.jsonl");
        assertThat(
                        run(
                                "--bootstrap-servers",
                                stack.bootstrapServers(),
                                "--topic-prefix",
                                UUID.randomUUID() + "-",
                                "--file",
                                file.toString(),
                                "--output",
                                output.toString()))
                .isZero();
        assertThat(output).isEmptyFile();
    }

    @Test
    void aSignalEndsItCleanly(LocalStack stack) throws Exception {
        List<String> command =
                new ArrayList<>(
                        List.of(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "@" + TestBundles.HOME.resolve("deploy/local/jvm.options"),
                                "-Dstreamformer.log=" + folder.resolve("demo.log"),
                                "-cp",
                                System.getProperty("java.class.path"),
                                Main.class.getName(),
                                "demo",
                                "--rate",
                                "50",
                                "--bootstrap-servers",
                                stack.bootstrapServers(),
                                "--topic-prefix",
                                UUID.randomUUID() + "-"));
        command.addAll(bundles());
        Path errors = folder.resolve("stderr");
        Process demo = new ProcessBuilder(command).redirectError(errors.toFile()).start();
        try (BufferedReader reader = demo.inputReader(UTF_8)) {
            String line = reader.readLine();
            while (line != null && !line.startsWith("     1  ")) {
                line = reader.readLine();
            }
            assertThat(line).as("an event was shown; %s", errors).isNotNull();
            // SIGTERM: what Ctrl-C does, but for the exit code. The handle leaves our streams open.
            demo.toHandle().destroy();
            List<String> rest = reader.lines().toList();
            assertThat(demo.waitFor(60, TimeUnit.SECONDS)).isTrue();
            assertThat(demo.exitValue()).isEqualTo(128 + 15);
            assertThat(rest.get(rest.size() - 1)).containsPattern("\\d events? .* dead letters");
            assertThat(errors).content().doesNotContain("Exception").doesNotContain("fatal");
        } finally {
            demo.destroyForcibly();
        }
    }

    private static int run(String... arguments) {
        List<String> all = new ArrayList<>(List.of("demo"));
        all.addAll(bundles());
        all.addAll(List.of(arguments));
        return Main.run(all.toArray(String[]::new));
    }

    private static List<String> bundles() {
        return List.of(
                "--bundle",
                TestBundles.TINY_SENTIMENT.toString(),
                "--bundle",
                TestBundles.TINY_TRANSLATION.toString());
    }

    private static List<JsonNode> read(Path file) throws IOException {
        List<JsonNode> lines = new ArrayList<>();
        for (String line : Files.readAllLines(file)) {
            lines.add(JSON.readTree(line));
        }
        return lines;
    }
}
