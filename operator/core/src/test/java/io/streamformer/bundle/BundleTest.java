package io.streamformer.bundle;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.streamformer.testing.TestBundle;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class BundleTest {

    @TempDir Path temp;

    @Test
    void readsWhatTheManifestSays() throws Exception {
        Bundle bundle = Bundle.read(TestBundle.resource(TestBundle.SENTIMENT));

        assertThat(bundle.manifest().task()).isEqualTo(Task.TEXT_CLASSIFICATION);
        assertThat(bundle.manifest().labels()).hasSizeGreaterThan(1);
        assertThat(bundle.manifest().variants()).containsKeys("fp32", "int8");
        assertThat(bundle.variantName(null)).isEqualTo(bundle.manifest().defaultVariant());
        assertThat(bundle.goldenTexts()).isNotEmpty();
        assertThat(bundle.hash()).matches("[0-9a-f]{64}").isEqualTo(Bundle.hashOf(bundle.folder()));
    }

    @Test
    void readsDecodingDefaults() {
        Bundle bundle = Bundle.read(TestBundle.resource(TestBundle.TRANSLATION));

        assertThat(bundle.manifest().task().generates()).isTrue();
        assertThat(bundle.manifest().decoding().defaults().get(DecodingOptions.NUM_BEAMS))
                .isPositive();
        assertThat(bundle.goldenTexts()).allMatch(text -> text.line().hasNonNull("output"));
    }

    @Test
    void refusesAFolderWithoutManifest() {
        assertRefused(temp, "a bundle is a folder with a manifest.json", "none in");
    }

    @Test
    void refusesAnUnknownVariant() {
        Bundle bundle = Bundle.read(TestBundle.resource(TestBundle.SENTIMENT));

        BundleException refusal =
                catchThrowableOfType(BundleException.class, () -> bundle.variant("int4"));

        assertThat(refusal).hasMessageContaining("fp32").hasMessageContaining("int4");
    }

    @Test
    void refusesAnotherHash() {
        TestBundle bundle = copy().spoil("README.md", text -> text + "more");

        assertRefused(bundle.folder(), "the SHA-256 of README.md is ", "");
    }

    @Test
    void refusesAMissingFile() throws IOException {
        TestBundle bundle = copy();
        Files.delete(bundle.folder().resolve("tokenizer.json"));

        assertRefused(
                bundle.folder(),
                "every file that the manifest names is there",
                "tokenizer.json is missing");
    }

    @Test
    void holdsWeightsBesideAGraphAgainstTheirHash() throws IOException {
        Bundle bundle = Bundle.read(TestBundle.resource(TestBundle.LARGE));
        assertThat(bundle.manifest().files())
                .containsKeys("model.int8.onnx.data", "model.fp32.onnx.data");

        TestBundle copy = TestBundle.copyOf(TestBundle.LARGE, temp);
        Path weights = copy.folder().resolve("model.int8.onnx.data");
        byte[] content = Files.readAllBytes(weights);
        content[content.length / 2] ^= 1;
        Files.write(weights, content);

        assertRefused(copy.folder(), "the SHA-256 of model.int8.onnx.data is ", "");
    }

    @Test
    void refusesWeightsBesideAGraphThatNobodyListed() {
        TestBundle copy =
                TestBundle.copyOf(TestBundle.LARGE, temp)
                        .manifest(
                                manifest ->
                                        ((ObjectNode) manifest.get("files"))
                                                .remove("model.fp32.onnx.data"));

        assertRefused(
                copy.folder(),
                "files has the SHA-256 of every file",
                "none for model.fp32.onnx.data");
    }

    @Test
    void refusesASymbolicLink() throws IOException {
        TestBundle bundle = copy();
        Path file = bundle.folder().resolve("README.md");
        Files.move(file, temp.resolve("elsewhere"));
        Files.createSymbolicLink(file, temp.resolve("elsewhere"));

        assertRefused(bundle.folder(), "no file of a bundle is a symbolic link", "README.md");
    }

    @Test
    void acceptsAFolderThatIsReachedThroughALink() throws IOException {
        Path link = Files.createSymbolicLink(temp.resolve("link"), copy().folder());

        assertThat(Bundle.read(link).hash()).isEqualTo(Bundle.hashOf(link));
    }

    /** Decoding defaults that hold, put into a manifest. */
    private static ObjectNode decoding(ObjectNode manifest) {
        return manifest.putObject("decoding")
                .put("num_beams", 1)
                .put("length_penalty", 1.0)
                .put("max_length_factor", 2.0)
                .put("max_length_offset", 4)
                .put("max_new_tokens", 8)
                .put("min_new_tokens", 0)
                .put("eos_token_id", 1);
    }

    static Stream<Arguments> brokenManifests() {
        return Stream.of(
                broken(m -> m.put("format", 2), "the manifest's format revision is 1", "2"),
                broken(m -> m.remove("format"), "the manifest's format revision is 1", "none"),
                broken(m -> m.put("color", "red"), "no fields beyond its schema", "color"),
                broken(
                        m -> ((ObjectNode) m.get("limits")).put("min_tokens", 3),
                        "no fields beyond its schema",
                        "min_tokens"),
                broken(m -> m.remove("source"), "fulfils manifest.schema.json", "source"),
                broken(m -> m.put("task", "chat"), "fulfils manifest.schema.json", "chat"),
                broken(m -> m.put("name", "A b"), "name is lower-case letters", "A b"),
                broken(m -> m.remove("labels"), "names its labels", "no labels"),
                broken(
                        m -> m.putArray("labels").add("good").add("good"),
                        "differ, since its scores are by label",
                        "good"),
                broken(m -> m.put("task", "translation"), "has decoding defaults", "no decoding"),
                broken(
                        m -> m.put("default_variant", "fp8"),
                        "default_variant is one of the variants",
                        "fp8"),
                broken(
                        m -> {
                            ((ObjectNode) m.get("variants"))
                                    .set("int8-fast", m.at("/variants/int8"));
                            m.put("default_variant", "int8-fast");
                        },
                        "default_variant is one whose answers do not depend",
                        "int8-fast"),
                broken(
                        m -> m.put("problem_type", "ranking"),
                        "fulfils manifest.schema.json",
                        "ranking"),
                broken(m -> m.put("aggregation", "last"), "fulfils manifest.schema.json", "last"),
                broken(m -> m.put("template", "no place"), "template has {text} in it", "no place"),
                broken(
                        m -> decoding(m).put("temperature", -1),
                        "It must be a finite number of at least 0",
                        "-1"),
                broken(m -> decoding(m).put("top_p", 0), "It must be above 0 and at most 1", "0"),
                broken(
                        m -> decoding(m).putObject("target_language_tokens").put("fr", 7),
                        "has the first of target_languages",
                        "[]"),
                broken(
                        m -> decoding(m).put("shortlist_file", "shortlist.bin"),
                        "files has the SHA-256 of every file",
                        "none for shortlist.bin"),
                broken(
                        m -> ((ObjectNode) m.get("limits")).put("max_tokens", 1),
                        "limits.max_tokens is at least 3",
                        "1"),
                broken(
                        m -> ((ObjectNode) m.get("files")).remove("golden.jsonl"),
                        "files has the SHA-256 of every file",
                        "golden.jsonl"),
                broken(
                        m -> ((ObjectNode) m.get("files")).put("../outside", "0".repeat(64)),
                        "every file is inside the bundle's folder",
                        "../outside"),
                broken(
                        m -> ((ObjectNode) m.get("files")).put("/etc/hostname", "0".repeat(64)),
                        "every file is inside the bundle's folder",
                        "/etc/hostname"));
    }

    @ParameterizedTest
    @MethodSource("brokenManifests")
    void refusesABrokenManifest(Consumer<ObjectNode> change, String rule, String seen) {
        assertRefused(copy().manifest(change).folder(), rule, seen);
    }

    @Test
    void refusesWhatIsNotJson() {
        assertRefused(
                copy().spoil("manifest.json", text -> "{").folder(),
                "fulfils manifest.schema.json",
                "");
    }

    private TestBundle copy() {
        return TestBundle.copyOf(TestBundle.SENTIMENT, temp);
    }

    private static Arguments broken(Consumer<ObjectNode> change, String rule, String seen) {
        return Arguments.of(change, rule, seen);
    }

    private static void assertRefused(Path folder, String rule, String seen) {
        BundleException refusal =
                catchThrowableOfType(BundleException.class, () -> Bundle.read(folder));
        assertThat(refusal).isNotNull();
        assertThat(refusal.rule()).contains(rule);
        assertThat(refusal.found()).contains(seen);
        assertThat(refusal.nextStep()).isNotBlank();
    }
}
