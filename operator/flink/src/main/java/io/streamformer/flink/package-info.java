/**
 * Streamformer inside Apache Flink: sources, sinks, the async operator, metrics and the ready-made
 * job. {@link io.streamformer.flink.Streamformer} is the door for jobs of your own, {@link
 * io.streamformer.flink.StreamformerJob} the job that needs no code.
 */
package io.streamformer.flink;
