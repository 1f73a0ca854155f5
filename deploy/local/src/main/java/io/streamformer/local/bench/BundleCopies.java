package io.streamformer.local.bench;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.streamformer.bundle.Bundle;
import io.streamformer.local.TemporaryFolder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/** A bundle and copies of it under other names, so that one job may have them all. */
final class BundleCopies implements AutoCloseable {

    private static final JsonMapper JSON = new JsonMapper();
    private static final String MANIFEST = "manifest.json";

    private final TemporaryFolder temporary;
    private final Map<String, Path> folders = new LinkedHashMap<>();

    /**
     * Copies a bundle; the first of all is the bundle itself.
     *
     * @param count how many there are then
     */
    BundleCopies(Path folder, int count) throws IOException {
        Bundle bundle = Bundle.read(folder);
        String name = bundle.manifest().name();
        temporary = TemporaryFolder.create("bundles");
        try {
            folders.put(name, folder);
            for (int copy = 2; copy <= count; copy++) {
                folders.put(name + "-" + copy, copy(bundle, name + "-" + copy));
            }
        } catch (IOException e) {
            close();
            throw e;
        }
    }

    /** The manifest has the hashes of all files but its own: its name is free to change. */
    private Path copy(Bundle bundle, String name) throws IOException {
        Path target = Files.createDirectory(temporary.path().resolve(name));
        for (String file : bundle.manifest().files().keySet()) {
            Path copy = target.resolve(file);
            Files.createDirectories(copy.getParent());
            Files.copy(bundle.file(file), copy);
        }
        ObjectNode manifest = (ObjectNode) JSON.readTree(bundle.file(MANIFEST).toFile());
        JSON.writeValue(target.resolve(MANIFEST).toFile(), manifest.put("name", name));
        return target;
    }

    /** Folders by name, the bundle itself first. */
    Map<String, Path> folders() {
        return Collections.unmodifiableMap(folders);
    }

    /** The first of them. */
    Map<String, Path> first(int count) {
        Map<String, Path> first = new LinkedHashMap<>();
        folders.entrySet().stream()
                .limit(count)
                .forEach(entry -> first.put(entry.getKey(), entry.getValue()));
        return first;
    }

    @Override
    public void close() {
        temporary.close();
    }
}
