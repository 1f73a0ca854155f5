/** The benchmarks: the same texts through the job, and through less than the job, in turns. */
package io.streamformer.local.bench;
