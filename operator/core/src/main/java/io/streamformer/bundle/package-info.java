/** Reads and verifies a bundle: the folder that holds a model, its tokenizer and its proof. */
package io.streamformer.bundle;
