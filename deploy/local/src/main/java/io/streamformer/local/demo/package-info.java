/** The demo: lines in, answered events out, through a running job. */
package io.streamformer.local.demo;
