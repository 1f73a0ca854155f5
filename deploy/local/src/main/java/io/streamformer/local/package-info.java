/** The command line, and the broker, cluster and job that every command brings up in this JVM. */
package io.streamformer.local;
