package io.streamformer.it;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Stream;

/** Bundles that Python wrote: the tiny ones of the tests, and the built-in ones where they are. */
final class TestBundles {

    static final Path HOME = Path.of(System.getProperty("streamformer.home")).normalize();
    static final Path TINY_SENTIMENT = tiny("tiny-sentiment");
    static final Path TINY_TRANSLATION = tiny("tiny-translation");

    private static final JsonMapper JSON = new JsonMapper();

    private TestBundles() {}

    static Path tiny(String name) {
        return HOME.resolve("operator/core/src/test/resources/bundles").resolve(name);
    }

    /** The tiny bundles, and the built-in ones of a checkout that has them. */
    static List<Path> all() {
        List<Path> all = new ArrayList<>(List.of(TINY_SENTIMENT, TINY_TRANSLATION));
        for (String name : List.of("sentiment-en", "translation-en-fr")) {
            Path folder = HOME.resolve("model-export/bundles").resolve(name);
            if (Files.exists(folder.resolve("manifest.json"))) {
                all.add(folder);
            }
        }
        return all;
    }

    static List<JsonNode> goldenTexts(Path bundle) throws IOException {
        List<JsonNode> texts = new ArrayList<>();
        for (String line : Files.readAllLines(bundle.resolve("golden.jsonl"))) {
            if (!line.isBlank()) {
                texts.add(JSON.readTree(line));
            }
        }
        return texts;
    }

    static JsonNode manifest(Path bundle) throws IOException {
        return JSON.readTree(bundle.resolve("manifest.json").toFile());
    }

    /** A copy whose manifest was changed. */
    static Path copyWith(Path bundle, Path to, Consumer<ObjectNode> change) throws IOException {
        copy(bundle, to);
        ObjectNode manifest = (ObjectNode) manifest(to);
        change.accept(manifest);
        JSON.writeValue(to.resolve("manifest.json").toFile(), manifest);
        return to;
    }

    /** A copy whose golden texts were changed, with a manifest that agrees. */
    static Path copyWithGolden(Path bundle, Path to, Consumer<ObjectNode> change)
            throws IOException {
        copy(bundle, to);
        List<String> lines = new ArrayList<>();
        for (JsonNode text : goldenTexts(to)) {
            change.accept((ObjectNode) text);
            lines.add(JSON.writeValueAsString(text));
        }
        Path golden = Files.write(to.resolve("golden.jsonl"), lines);
        ObjectNode manifest = (ObjectNode) manifest(to);
        ((ObjectNode) manifest.get("files")).put("golden.jsonl", sha256(golden));
        JSON.writeValue(to.resolve("manifest.json").toFile(), manifest);
        return to;
    }

    static Path copy(Path bundle, Path to) throws IOException {
        Files.createDirectories(to);
        try (Stream<Path> files = Files.list(bundle)) {
            for (Path file : files.toList()) {
                Files.copy(file, to.resolve(file.getFileName()));
            }
        }
        return to;
    }

    private static String sha256(Path file) throws IOException {
        try {
            return HexFormat.of()
                    .formatHex(
                            MessageDigest.getInstance("SHA-256").digest(Files.readAllBytes(file)));
        } catch (NoSuchAlgorithmException e) {
            throw new LinkageError("every Java platform has SHA-256", e);
        }
    }
}
