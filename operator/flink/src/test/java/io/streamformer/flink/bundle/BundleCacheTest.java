package io.streamformer.flink.bundle;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.streamformer.bundle.Bundle;
import io.streamformer.bundle.BundleException;
import io.streamformer.bundle.BundleReference;
import io.streamformer.flink.testing.HollowBundle;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
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

    @AfterEach
    void mend() {
        RemoteFileSystem.failure = null;
    }

    @Test
    void aLocalBundleIsUsedInItsOwnFolder() {
        for (String path : List.of(bundle.toString(), "file://" + bundle, bundle + "/")) {
            BundleReference reference = BundleFiles.of(path).describe().reference();
            assertThat(reference)
                    .isEqualTo(new BundleReference(bundle.toString(), Bundle.hashOf(bundle)));
            assertThat(cache.fetch(reference)).isEqualTo(bundle);
        }
        assertThat(temp.resolve("cache")).doesNotExist();
    }

    @Test
    void aRemoteBundleIsDownloadedOnce() throws IOException {
        Path folder = cache.fetch(remote());
        assertThat(Bundle.read(folder).hash()).isEqualTo(Bundle.hashOf(bundle));
        assertThat(folder.getFileName()).hasToString(Bundle.hashOf(bundle));
        BundleReference again = remote();
        int opened = RemoteFileSystem.OPENED.get();
        assertThat(cache.fetch(again)).isEqualTo(folder);
        assertThat(RemoteFileSystem.OPENED.get()).isEqualTo(opened);
        assertThat(cached()).containsExactly(folder);
    }

    @Test
    void anIntactCopyServesWhileTheRemoteFileSystemIsDown() {
        BundleReference reference = remote();
        Path folder = cache.fetch(reference);
        RemoteFileSystem.failure = "503 Slow Down";
        assertThat(cache.fetch(reference)).isEqualTo(folder);
    }

    @Test
    void aFailureThatMayPassDoesNotRefuseTheBundle() throws IOException {
        BundleReference reference = remote();
        RemoteFileSystem.failure = "503 Slow Down";
        assertThatThrownBy(() -> cache.fetch(reference))
                .isInstanceOf(UncheckedIOException.class)
                .hasMessageContaining("503 Slow Down");
        assertThat(cached()).isEmpty();
        RemoteFileSystem.failure = null;
        assertThat(Bundle.read(cache.fetch(reference)).hash()).isEqualTo(reference.hash());
    }

    @Test
    void aBundleThatChangedSinceTheSubmissionIsRefused() throws IOException {
        BundleReference local = BundleFiles.of(bundle.toString()).describe().reference();
        BundleReference remote = remote();
        Path manifest = bundle.resolve("manifest.json");
        Files.writeString(manifest, Files.readString(manifest).replace("\"7\"", "\"8\""));
        for (BundleReference reference : List.of(local, remote)) {
            assertThatThrownBy(() -> cache.fetch(reference))
                    .isInstanceOf(BundleException.class)
                    .hasMessageContaining(reference.hash())
                    .hasMessageContaining(Bundle.hashOf(bundle))
                    .hasMessageContaining("submit the job again");
        }
    }

    @Test
    void aNewCopyIsPutBesideADamagedOne() throws IOException {
        Path folder = cache.fetch(remote());
        Files.delete(folder.resolve("tokenizer.json"));
        Files.writeString(folder.resolve("golden.jsonl"), "changed");
        Path second = cache.fetch(remote());
        assertThat(Bundle.read(second).manifest().name()).isEqualTo("sentiment-en");
        assertThat(cached()).containsExactlyInAnyOrder(folder, second);
        assertThat(cache.fetch(remote())).isEqualTo(second);
    }

    @Test
    void whatAKilledDownloadLeftIsDeletedADayLater() throws IOException {
        Path old = Files.createDirectories(temp.resolve("cache/partial-1"));
        Path recent = Files.createDirectories(temp.resolve("cache/partial-2"));
        Files.setLastModifiedTime(old, FileTime.from(Instant.now().minus(Duration.ofDays(2))));
        Path folder = cache.fetch(remote());
        assertThat(cached()).containsExactlyInAnyOrder(folder, recent);
    }

    @Test
    void theCacheMayBeARelativeFolder() {
        Path relative = Path.of("").toAbsolutePath().relativize(temp.resolve("./relative"));
        Path folder = BundleCache.in(relative.toString()).fetch(remote());
        assertThat(folder).isAbsolute().startsWith(temp.resolve("relative"));
    }

    @Test
    void aBundleWithAWrongHashIsRefusedAndLeavesNothing() throws IOException {
        Files.writeString(bundle.resolve("model.fp32.onnx"), "changed");
        assertThatThrownBy(() -> cache.fetch(remote()))
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
        assertThatThrownBy(() -> cache.fetch(remote()))
                .isInstanceOf(BundleException.class)
                .hasMessageContaining("../evil");
        assertThat(cached()).isEmpty();
    }

    @Test
    void aPathThatCannotBeReadSaysWhatToDo() {
        assertThatThrownBy(() -> BundleFiles.of(temp.resolve("none").toString()).describe())
                .isInstanceOf(BundleException.class)
                .hasMessageContaining("none/manifest.json");
        assertThatThrownBy(() -> BundleFiles.of("s3://models/none").describe())
                .isInstanceOf(BundleException.class)
                .hasMessageContaining("s3")
                .hasMessageContaining("plugin");
    }

    private BundleReference remote() {
        return BundleFiles.of("remote://" + bundle).describe().reference();
    }

    private List<Path> cached() throws IOException {
        try (Stream<Path> files = Files.list(temp.resolve("cache"))) {
            return files.toList();
        }
    }
}
