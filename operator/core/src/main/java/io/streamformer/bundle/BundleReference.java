package io.streamformer.bundle;

import java.io.Serializable;
import java.util.Objects;
import org.apache.flink.annotation.Internal;

/**
 * Where a bundle is and which one it is. A job keeps it from its submission on, so that a folder
 * that changes later does not become another model after a restart.
 *
 * @param uri the bundle's folder; absolute
 * @param hash SHA-256 of its manifest, in hexadecimal digits
 */
@Internal
public record BundleReference(String uri, String hash) implements Serializable {
    public BundleReference {
        Objects.requireNonNull(uri, "uri");
        Objects.requireNonNull(hash, "hash");
    }

    /**
     * Checks that a bundle is the one that is meant.
     *
     * @throws BundleException if it has another hash
     */
    public void check(String actual) {
        if (!hash.equals(actual)) {
            throw new BundleException(
                    "a bundle stays as it was when the job was submitted: "
                            + uri
                            + " with the hash "
                            + hash,
                    "the hash " + actual,
                    "put each version of a model into a folder of its own, restore the old files,"
                            + " or submit the job again to use the new ones");
        }
    }
}
