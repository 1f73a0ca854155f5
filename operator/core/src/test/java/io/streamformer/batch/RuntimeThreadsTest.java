package io.streamformer.batch;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.InputStream;
import java.lang.ref.WeakReference;
import java.util.concurrent.CountDownLatch;
import java.util.function.Function;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

class RuntimeThreadsTest {

    /** Code of a job that starts a thread of the runtime. */
    public static final class JobCode implements Function<Runnable, Thread> {
        @Override
        public Thread apply(Runnable work) {
            Thread.currentThread().setContextClassLoader(getClass().getClassLoader());
            Thread thread = RuntimeThreads.daemon("runtime", work);
            thread.start();
            return thread;
        }
    }

    /** A job's class loader: it has the job's code itself. */
    private static final class JobLoader extends ClassLoader {
        private JobLoader() {
            super("job", RuntimeThreadsTest.class.getClassLoader());
        }

        private Class<?> define(Class<?> original) throws IOException {
            String resource = "/" + original.getName().replace('.', '/') + ".class";
            try (InputStream in = original.getResourceAsStream(resource)) {
                byte[] bytes = in.readAllBytes();
                return defineClass(original.getName(), bytes, 0, bytes.length);
            }
        }
    }

    @Test
    @Timeout(60)
    void aThreadKeepsNothingOfTheJobThatStartedIt() throws Exception {
        CountDownLatch end = new CountDownLatch(1);
        Runnable work =
                () -> {
                    try {
                        end.await();
                    } catch (InterruptedException e) {
                        throw new AssertionError(e);
                    }
                };
        ClassLoader before = Thread.currentThread().getContextClassLoader();
        try {
            WeakReference<ClassLoader> job = start(work);
            Thread.currentThread().setContextClassLoader(before);
            while (job.get() != null) {
                System.gc();
            }
            assertThat(Thread.getAllStackTraces().keySet())
                    .as("the thread outlives the job")
                    .anyMatch(thread -> thread.getName().equals("runtime"));
        } finally {
            Thread.currentThread().setContextClassLoader(before);
            end.countDown();
        }
    }

    @SuppressWarnings("unchecked") // the class is the one above
    private static WeakReference<ClassLoader> start(Runnable work) throws Exception {
        JobLoader loader = new JobLoader();
        Function<Runnable, Thread> code =
                (Function<Runnable, Thread>)
                        loader.define(JobCode.class).getDeclaredConstructor().newInstance();
        assertThat(code.apply(work).isDaemon()).isTrue();
        return new WeakReference<>(loader);
    }
}
