package io.streamformer.flink.bundle;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.streamformer.bundle.Bundle;
import io.streamformer.bundle.BundleException;
import io.streamformer.flink.testing.HollowBundle;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class BundleCacheTest {

    @TempDir private Path temp;
    private Path bundle;
    private BundleCache cache;

    @BeforeEach
    void writeBundle() {
        bundle = HollowBundle.classifier(temp, "sentiment-en");
        cache = new BundleCache(temp.resolve("cache"));
    }

    @Test
    void aLocalBundleIsUsedWhereItLies() {
        assertThat(cache.fetch(bundle.toString())).isEqualTo(bundle);
        assertThat(cache.fetch("file://" + bundle)).isEqualTo(bundle);
        assertThat(cache.fetch(bundle + "/")).isEqualTo(bundle);
        assertThat(temp.resolve("cache")).doesNotExist();
        assertThat(BundleCache.absolute("models/x"))
                .isEqualTo(Path.of("models/x").toAbsolutePath().toString());
        assertThat(BundleCache.absolute("remote:///x")).isEqualTo("remote:///x");
    }

    @Test
    void aRemoteBundleIsDownloadedOnce() throws IOException {
        Path folder = cache.fetch("remote://" + bundle);
        assertThat(Bundle.read(folder).hash()).isEqualTo(Bundle.hashOf(bundle));
        assertThat(folder.getFileName()).hasToString(Bundle.hashOf(bundle));
        int opened = RemoteFileSystem.OPENED.get();
        assertThat(cache.fetch("remote://" + bundle)).isEqualTo(folder);
        assertThat(RemoteFileSystem.OPENED.get()).as("only the manifest").isEqualTo(opened + 1);
        assertThat(cached()).containsExactly(folder);
    }

    @Test
    void aDamagedCopyIsReplaced() throws IOException {
        Path folder = cache.fetch("remote://" + bundle);
        Files.delete(folder.resolve("tokenizer.json"));
        Files.writeString(folder.resolve("golden.jsonl"), "changed");
        cache.fetch("remote://" + bundle);
        assertThat(Bundle.read(folder).manifest().name()).isEqualTo("sentiment-en");
    }

    @Test
    void whatIsLeftOfAnAbandonedDownloadIsDeleted() throws IOException {
        Path abandoned = temp.resolve("cache/partial-1");
        Path running = temp.resolve("cache/partial-2");
        for (Path partial : List.of(abandoned, running)) {
            Files.createDirectories(partial);
            Files.writeString(partial.resolve("model.fp32.onnx"), "half of it");
        }
        Files.setLastModifiedTime(
                abandoned, FileTime.from(Instant.now().minus(Duration.ofHours(13))));
        Path folder = cache.fetch("remote://" + bundle);
        assertThat(cached()).containsExactlyInAnyOrder(folder, running);
    }

    @Test
    void aBundleWithAWrongHashIsRefusedAndLeavesNothing() throws IOException {
        Files.writeString(bundle.resolve("model.fp32.onnx"), "changed");
        assertThatThrownBy(() -> cache.fetch("remote://" + bundle))
                .isInstanceOf(BundleException.class)
                .hasMessageContaining("SHA-256 of model.fp32.onnx");
        assertThat(cached()).isEmpty();
    }

    @Test
    void aFileOutsideTheBundleIsRefused() throws IOException {
        Path manifest = bundle.resolve("manifest.json");
        Files.writeString(
                manifest,
                Files.readString(manifest)
                        .replace(
                                "\"files\": {",
                                "\"files\": {\"../evil\": \"%064d\",".formatted(0)));
        assertThatThrownBy(() -> cache.fetch("remote://" + bundle))
                .isInstanceOf(BundleException.class)
                .hasMessageContaining("../evil");
        assertThat(cached()).isEmpty();
    }

    @Test
    void aPathThatCannotBeReadSaysWhatToDo() {
        assertThatThrownBy(() -> BundleCache.manifest(temp.resolve("none").toString()))
                .isInstanceOf(BundleException.class)
                .hasMessageContaining("none/manifest.json");
        assertThatThrownBy(() -> BundleCache.manifest("s3://models/none"))
                .isInstanceOf(BundleException.class)
                .hasMessageContaining("s3")
                .hasMessageContaining("plugin");
    }

    private List<Path> cached() throws IOException {
        try (Stream<Path> files = Files.list(temp.resolve("cache"))) {
            return files.toList();
        }
    }
}
