/** Turns model output into predictions, one decoder per kind of task. */
package io.streamformer.task;
