package io.streamformer.batch;

import java.security.AccessController;
import java.security.PrivilegedAction;
import org.apache.flink.annotation.Internal;

/**
 * Makes the threads of the runtime. They outlive the job whose thread starts them, so they keep
 * nothing of it: not its class loader, its inheritable thread locals or the classes on its stack,
 * which a new thread otherwise remembers as its access control context.
 */
@Internal
public final class RuntimeThreads {

    private RuntimeThreads() {}

    /** A daemon thread that is not started yet. */
    @SuppressWarnings("removal") // the only way to drop the inherited context on Java 17
    public static Thread daemon(String name, Runnable work) {
        return AccessController.doPrivileged(
                (PrivilegedAction<Thread>)
                        () -> {
                            Thread thread = new Thread(topGroup(), work, name, 0, false);
                            thread.setDaemon(true);
                            thread.setContextClassLoader(RuntimeThreads.class.getClassLoader());
                            return thread;
                        });
    }

    private static ThreadGroup topGroup() {
        ThreadGroup group = Thread.currentThread().getThreadGroup();
        while (group.getParent() != null) {
            group = group.getParent();
        }
        return group;
    }
}
