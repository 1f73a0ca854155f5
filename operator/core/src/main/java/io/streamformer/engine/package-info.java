/** The one door to the core: text in, future prediction out. */
package io.streamformer.engine;
