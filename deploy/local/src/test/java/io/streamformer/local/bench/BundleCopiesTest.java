package io.streamformer.local.bench;

import static org.assertj.core.api.Assertions.assertThat;

import io.streamformer.bundle.Bundle;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class BundleCopiesTest {

    private static final Path BUNDLE =
            Path.of("../../operator/core/src/test/resources/bundles/tiny-sentiment");

    @Test
    void areTheSameBundleUnderOtherNames() throws Exception {
        Bundle original = Bundle.read(BUNDLE);
        String name = original.manifest().name();
        Path copy;
        try (BundleCopies copies = new BundleCopies(BUNDLE, 3)) {
            assertThat(copies.folders().keySet()).containsExactly(name, name + "-2", name + "-3");
            assertThat(copies.folders().get(name)).isEqualTo(BUNDLE);
            assertThat(copies.first(2).keySet()).containsExactly(name, name + "-2");
            copy = copies.folders().get(name + "-2");
            Bundle read = Bundle.read(copy);
            assertThat(read.manifest().name()).isEqualTo(name + "-2");
            assertThat(read.manifest().files()).isEqualTo(original.manifest().files());
            assertThat(read.hash()).isNotEqualTo(original.hash());
        }
        assertThat(copy).doesNotExist();
    }
}
