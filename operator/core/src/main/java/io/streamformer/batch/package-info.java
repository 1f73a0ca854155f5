/**
 * Decides when a batch is full or due. The policy is pure; one thin class adds threads and a clock.
 * Knows rows by their length only.
 */
package io.streamformer.batch;
