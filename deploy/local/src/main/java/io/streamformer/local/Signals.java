package io.streamformer.local;

import java.lang.reflect.Proxy;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Ctrl-C and {@code kill} as an interrupt of the command, so that it closes what it opened before
 * the JVM shuts down.
 *
 * <p>A shutdown hook would come too late: ONNX Runtime frees its environment in a hook of its own,
 * under the sessions that still run, and the process dies of it.
 */
final class Signals {

    private static final int EXIT_CODE_BASE = 128;

    private static final AtomicInteger RECEIVED = new AtomicInteger();

    private Signals() {}

    /** Interrupts a thread at the first signal and ends the process at the second. */
    static void interrupt(Thread thread) {
        for (String name : new String[] {"INT", "TERM"}) {
            handle(
                    name,
                    number -> {
                        if (!RECEIVED.compareAndSet(0, number)) {
                            Runtime.getRuntime().halt(EXIT_CODE_BASE + number);
                        }
                        thread.interrupt();
                    });
        }
    }

    /** True once somebody wants the process to end. */
    static boolean received() {
        return RECEIVED.get() != 0;
    }

    /** The exit code that shells expect of a process ended by the signal, or the given one. */
    static int exitCode(int otherwise) {
        int signal = RECEIVED.get();
        return signal == 0 ? otherwise : EXIT_CODE_BASE + signal;
    }

    private interface Handler {
        void received(int number);
    }

    /** By reflection: the class is outside the Java API, and the compiler warns of nothing else. */
    private static void handle(String name, Handler handler) {
        try {
            Class<?> signal = Class.forName("sun.misc.Signal");
            Class<?> handlerType = Class.forName("sun.misc.SignalHandler");
            Object proxy =
                    Proxy.newProxyInstance(
                            Signals.class.getClassLoader(),
                            new Class<?>[] {handlerType},
                            (self, method, arguments) -> {
                                if (method.getName().equals("handle")) {
                                    handler.received(
                                            (int)
                                                    signal.getMethod("getNumber")
                                                            .invoke(arguments[0]));
                                }
                                return null;
                            });
            signal.getMethod("handle", signal, handlerType)
                    .invoke(null, signal.getConstructor(String.class).newInstance(name), proxy);
        } catch (ReflectiveOperationException e) {
            throw new LinkageError("every JDK has sun.misc.Signal: this is a bug", e);
        }
    }
}
