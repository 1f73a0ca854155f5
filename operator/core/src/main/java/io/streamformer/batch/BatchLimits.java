package io.streamformer.batch;

import java.time.Duration;

/**
 * What a batch may hold and how long it may wait.
 *
 * @param maxRows most rows of a batch
 * @param maxTokens most padded tokens of a batch: the longest row times rows
 * @param maxLength longest row that can come
 * @param maxDelay longest time that a row waits for neighbours while the device is busy
 * @param maxTime longest time that a run may take, as far as earlier runs tell; zero for any
 */
public record BatchLimits(
        int maxRows, int maxTokens, int maxLength, Duration maxDelay, Duration maxTime) {

    public BatchLimits {
        check(maxRows >= 1, "maxBatchRows is at least 1, seen " + maxRows);
        check(maxLength >= 1, "the longest text has at least 1 token, seen " + maxLength);
        check(!maxDelay.isNegative(), "maxDelay is not negative, seen " + maxDelay);
        check(!maxTime.isNegative(), "maxBatchTime is not negative, seen " + maxTime);
        check(
                maxTokens >= maxLength,
                "maxBatchTokens holds the longest text of the model ("
                        + maxLength
                        + " tokens), seen "
                        + maxTokens
                        + ": set maxBatchTokens to "
                        + maxLength
                        + " or more");
    }

    private static void check(boolean holds, String message) {
        if (!holds) {
            throw new IllegalArgumentException(message);
        }
    }
}
