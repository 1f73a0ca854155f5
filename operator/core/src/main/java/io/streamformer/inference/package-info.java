/** Turns ids into model output; the only package that knows ONNX Runtime. */
package io.streamformer.inference;
