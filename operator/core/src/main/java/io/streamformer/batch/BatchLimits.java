package io.streamformer.batch;

import java.time.Duration;
import org.apache.flink.annotation.Internal;

/**
 * What a batch may hold and how long it may wait.
 *
 * @param maxRows most rows of a batch
 * @param maxTokens most padded tokens of a batch: the longest row times rows
 * @param maxLength longest row that can come
 * @param maxDelay longest time that a row waits for neighbours while the device is busy
 * @param maxTime longest time that a run may take, as far as earlier runs tell; zero for any
 */
@Internal
public record BatchLimits(
        int maxRows, int maxTokens, int maxLength, Duration maxDelay, Duration maxTime) {

    public BatchLimits {
        check(maxRows >= 1, "maxBatchRows is " + maxRows + ". It must be at least 1.");
        check(
                maxLength >= 1,
                "The longest text has " + maxLength + " tokens. It must have at least 1.");
        check(!maxDelay.isNegative(), "maxDelay is " + maxDelay + ". It must not be negative.");
        check(!maxTime.isNegative(), "maxBatchTime is " + maxTime + ". It must not be negative.");
        check(
                maxTokens >= maxLength,
                "maxBatchTokens is "
                        + maxTokens
                        + ", but the longest text of the model has "
                        + maxLength
                        + " tokens. Set it to "
                        + maxLength
                        + " or more.");
    }

    private static void check(boolean holds, String message) {
        if (!holds) {
            throw new IllegalArgumentException(message);
        }
    }
}
