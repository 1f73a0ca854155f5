/** Turns text into token ids and back; the only package that knows the tokenizer library. */
package io.streamformer.tokenize;
