package io.streamformer.testing;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;

/** A copy of one of the tiny bundles that a test may spoil. */
public final class TestBundle {

    public static final String SENTIMENT = "tiny-sentiment";
    public static final String TRANSLATION = "tiny-translation";

    /** {@link #SENTIMENT} with its weights in files beside the graphs. */
    public static final String LARGE = "tiny-large";

    private static final ObjectMapper JSON = new ObjectMapper();

    private final Path folder;

    private TestBundle(Path folder) {
        this.folder = folder;
    }

    /** The bundle as it lies among the test resources. */
    public static Path resource(String name) {
        URL manifest = TestBundle.class.getResource("/bundles/" + name + "/manifest.json");
        try {
            return Path.of(manifest.toURI()).getParent();
        } catch (URISyntaxException e) {
            throw new AssertionError(e);
        }
    }

    public static TestBundle copyOf(String name, Path parent) {
        Path source = resource(name);
        Path folder = parent.resolve(name);
        try (Stream<Path> files = Files.list(source)) {
            Files.createDirectories(folder);
            for (Path file : (Iterable<Path>) files::iterator) {
                Files.copy(file, folder.resolve(file.getFileName()));
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return new TestBundle(folder);
    }

    public Path folder() {
        return folder;
    }

    /** Changes the manifest. */
    public TestBundle manifest(Consumer<ObjectNode> change) {
        Path file = folder.resolve("manifest.json");
        try {
            ObjectNode manifest = (ObjectNode) JSON.readTree(file.toFile());
            change.accept(manifest);
            JSON.writeValue(file.toFile(), manifest);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return this;
    }

    /** Changes a file and leaves the manifest's hash as it was. */
    public TestBundle spoil(String name, UnaryOperator<String> change) {
        try {
            Path file = folder.resolve(name);
            Files.writeString(file, change.apply(Files.readString(file)));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return this;
    }

    /** Changes a file and its hash in the manifest. */
    public TestBundle file(String name, UnaryOperator<String> change) {
        spoil(name, change);
        return manifest(m -> ((ObjectNode) m.get("files")).put(name, hash(name)));
    }

    private String hash(String name) {
        try {
            byte[] bytes = Files.readAllBytes(folder.resolve(name));
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError(e);
        }
    }
}
