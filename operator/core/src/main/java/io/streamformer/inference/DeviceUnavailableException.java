package io.streamformer.inference;

import org.apache.flink.annotation.Internal;

/** A GPU that cannot be used: it is not there, or its libraries are not. */
@Internal
public final class DeviceUnavailableException extends IllegalStateException {

    private static final long serialVersionUID = 1L;

    public DeviceUnavailableException(String message, Throwable cause) {
        super(message, cause);
    }
}
