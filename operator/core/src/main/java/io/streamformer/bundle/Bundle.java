package io.streamformer.bundle;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.exc.UnrecognizedPropertyException;
import com.fasterxml.jackson.databind.exc.ValueInstantiationException;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.flink.annotation.Internal;

/** A folder on the local disk whose every file is what its manifest says. */
@Internal
public final class Bundle {

    /** The one format revision that this code reads. */
    public static final int FORMAT = 1;

    static final String EXPORT_AGAIN = "build the bundle again with 'streamformer-export export'";
    private static final String COPY_AGAIN =
            "copy the bundle again from where it was built, or build it again with"
                    + " 'streamformer-export export'";
    private static final String MANIFEST = "manifest.json";

    /** What the file of weights beside a graph has behind the graph's name. */
    private static final String WEIGHTS = ".data";

    private static final JsonMapper JSON =
            JsonMapper.builder()
                    .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
                    .enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES)
                    .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
                    .disable(DeserializationFeature.ACCEPT_FLOAT_AS_INT)
                    .build();

    private static final ObjectReader GOLDEN =
            JSON.reader().without(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES);

    private final Path folder;
    private final String hash;
    private final Manifest manifest;

    private Bundle(Path folder, String hash, Manifest manifest) {
        this.folder = folder;
        this.hash = hash;
        this.manifest = manifest;
    }

    /** Reads the manifest and holds every file against its hash. */
    public static Bundle read(Path folder) {
        byte[] bytes = manifestBytes(folder);
        Bundle bundle = new Bundle(folder, hashOf(bytes), parse(bytes));
        bundle.verifyFiles();
        return bundle;
    }

    /** The hash that {@link #read} would give, without the work of verifying the files. */
    public static String hashOf(Path folder) {
        return hashOf(manifestBytes(folder));
    }

    /** The hash of a bundle whose manifest is these bytes. */
    public static String hashOf(byte[] manifest) {
        return HexFormat.of().formatHex(sha256().digest(manifest));
    }

    public Path folder() {
        return folder;
    }

    /** SHA-256 of the manifest, which has the hashes of all other files: the bundle's identity. */
    public String hash() {
        return hash;
    }

    public Manifest manifest() {
        return manifest;
    }

    /** The variant of this name; the default one for null. */
    public Manifest.Variant variant(String name) {
        Manifest.Variant variant = manifest.variants().get(variantName(name));
        if (variant == null) {
            throw new BundleException(
                    "the variant is one of " + manifest.variants().keySet(),
                    name,
                    "choose one of these, or leave the option away for "
                            + manifest.defaultVariant());
        }
        return variant;
    }

    /** The name itself; for null the name of the default variant. */
    public String variantName(String name) {
        return name == null ? manifest.defaultVariant() : name;
    }

    /** The path of one of the bundle's files. */
    public Path file(String name) {
        return folder.resolve(name);
    }

    /** The texts to replay at load. */
    public List<GoldenText> goldenTexts() {
        List<GoldenText> texts = new ArrayList<>();
        try {
            for (String line : Files.readAllLines(file(manifest.golden()))) {
                if (!line.isBlank()) {
                    JsonNode tree = JSON.readTree(line);
                    GoldenText text = goldenAnswer(tree, GoldenText.class);
                    texts.add(
                            new GoldenText(
                                    text.text(),
                                    text.textPair(),
                                    text.language(),
                                    text.targetLanguage(),
                                    text.inputIds(),
                                    tree));
                }
            }
        } catch (JsonProcessingException e) {
            throw malformedGolden(e);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        if (texts.isEmpty()) {
            throw new BundleException(
                    manifest.golden() + " has at least one golden text", "none", EXPORT_AGAIN);
        }
        return texts;
    }

    static <A> A goldenAnswer(JsonNode line, Class<A> type) {
        try {
            return GOLDEN.forType(type).readValue(line);
        } catch (IOException e) {
            throw malformedGolden(e);
        }
    }

    private static BundleException malformedGolden(IOException e) {
        return new BundleException(
                "each line of the golden texts is one as streamformer-export writes it",
                e instanceof JsonProcessingException json
                        ? json.getOriginalMessage()
                        : e.getMessage(),
                EXPORT_AGAIN,
                e);
    }

    private static byte[] manifestBytes(Path folder) {
        Path manifest = folder.resolve(MANIFEST);
        if (!Files.isRegularFile(manifest)) {
            throw new BundleException(
                    "a bundle is a folder with a " + MANIFEST,
                    "none in " + folder,
                    "give the path of the bundle's folder");
        }
        try {
            return Files.readAllBytes(manifest);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The manifest that these bytes are; nothing else of the bundle is looked at. */
    public static Manifest parse(byte[] bytes) {
        try {
            JsonNode tree = JSON.readTree(bytes);
            JsonNode format = tree.path("format");
            if (!format.isInt() || format.intValue() != FORMAT) {
                throw new BundleException(
                        "the manifest's format revision is " + FORMAT,
                        format.isMissingNode() ? "none" : format.toString(),
                        "use the release of Streamformer that knows this revision, or "
                                + EXPORT_AGAIN);
            }
            return JSON.treeToValue(tree, Manifest.class);
        } catch (UnrecognizedPropertyException e) {
            throw new BundleException(
                    "a manifest of revision " + FORMAT + " has no fields beyond its schema",
                    e.getPathReference().replaceAll("[\\w.$]+\\.(\\w+)\\[", "$1["),
                    "remove the field, or " + EXPORT_AGAIN,
                    e);
        } catch (ValueInstantiationException e) {
            if (e.getCause() instanceof BundleException rule) {
                throw rule;
            }
            throw malformed(e);
        } catch (JsonProcessingException e) {
            throw malformed(e);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static BundleException malformed(JsonProcessingException e) {
        return new BundleException(
                "the manifest fulfils manifest.schema.json",
                e.getOriginalMessage(),
                EXPORT_AGAIN,
                e);
    }

    private void verifyFiles() {
        for (Map.Entry<String, String> entry : new TreeMap<>(manifest.files()).entrySet()) {
            String name = entry.getKey();
            Path path = folder.resolve(name);
            if (!path.normalize().startsWith(folder.normalize()) || Path.of(name).isAbsolute()) {
                throw new BundleException(
                        "every file is inside the bundle's folder", name, EXPORT_AGAIN);
            }
            if (leadsThroughLink(name)) {
                throw new BundleException(
                        "no file of a bundle is a symbolic link",
                        name,
                        "put the file itself in its place");
            }
            if (!Files.isRegularFile(path, LinkOption.NOFOLLOW_LINKS)) {
                throw new BundleException(
                        "every file that the manifest names is there",
                        name + " is missing",
                        COPY_AGAIN);
            }
            String actual = FileHashes.sha256(path);
            if (!actual.equals(entry.getValue())) {
                throw new BundleException(
                        "the SHA-256 of " + name + " is " + entry.getValue(), actual, COPY_AGAIN);
            }
        }
        manifest.variants().values().forEach(this::verifyWeightsListed);
    }

    /** Weights beside a graph, which ONNX Runtime would read without anybody's leave. */
    private void verifyWeightsListed(Manifest.Variant variant) {
        String name = variant.file() + WEIGHTS;
        if (Files.exists(folder.resolve(name)) && !manifest.files().containsKey(name)) {
            throw new BundleException(
                    "files has the SHA-256 of every file", "none for " + name, EXPORT_AGAIN);
        }
    }

    private boolean leadsThroughLink(String name) {
        Path path = folder;
        for (Path part : Path.of(name)) {
            path = path.resolve(part);
            if (Files.isSymbolicLink(path)) {
                return true;
            }
        }
        return false;
    }

    static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every Java platform has SHA-256: this is a bug", e);
        }
    }
}
