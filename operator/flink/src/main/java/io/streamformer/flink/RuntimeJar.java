package io.streamformer.flink;

import java.io.IOException;
import java.io.InputStream;
import java.util.Optional;
import java.util.Properties;
import org.apache.flink.annotation.Internal;
import org.apache.flink.runtime.execution.SuppressRestartsException;

/**
 * Whether Flink's lib folder has the runtime that this module was built with. This class uses no
 * class of the runtime, so it can say that there is none.
 */
@Internal
public final class RuntimeJar {

    private static final String RUNTIME = "io/streamformer/runtime.properties";
    private static final String MODULE = "io/streamformer/flink/version.properties";

    private RuntimeJar() {}

    /**
     * Returns where the runtime is the right one.
     *
     * @throws LinkageError with what is wrong and the next step; Flink does not restart a job for
     *     it
     */
    public static void require() {
        problem(RuntimeJar.class.getClassLoader(), System.getProperty("os.arch"))
                .ifPresent(
                        sentence -> {
                            throw error(sentence, null);
                        });
    }

    /**
     * What is wrong where the runtime has this module's version and its classes do not fit all the
     * same; anything else as it is.
     */
    public static LinkageError explain(LinkageError error) {
        boolean fits =
                error instanceof UnsatisfiedLinkError
                        || error instanceof ExceptionInInitializerError
                        || String.valueOf(error.getMessage()).startsWith("Could not initialize");
        if (fits) {
            return error;
        }
        return error(
                "The Streamformer runtime in Flink's lib folder is of another build than this job ("
                        + error
                        + "). Take both jars from the same build.",
                error);
    }

    static Optional<String> problem(ClassLoader loader, String architecture) {
        String wanted = version(loader, MODULE).orElseThrow();
        String platform = "linux-" + (architecture.equals("amd64") ? "x64" : architecture);
        String jar = "streamformer-runtime-" + wanted + "-" + platform + ".jar";
        String step =
                " Put "
                        + jar
                        + " into the lib folder of Flink on the client, the JobManager and every"
                        + " TaskManager, and restart them.";
        Optional<String> present = version(loader, RUNTIME);
        if (present.isEmpty()) {
            return Optional.of("Flink's lib folder has no Streamformer runtime." + step);
        }
        if (!present.get().equals(wanted)) {
            return Optional.of(
                    "The Streamformer runtime in Flink's lib folder is "
                            + present.get()
                            + ", but this job needs "
                            + wanted
                            + "."
                            + step);
        }
        return Optional.empty();
    }

    private static Optional<String> version(ClassLoader loader, String resource) {
        try (InputStream in = loader.getResourceAsStream(resource)) {
            if (in == null) {
                return Optional.empty();
            }
            Properties properties = new Properties();
            properties.load(in);
            return Optional.of(properties.getProperty("version"));
        } catch (IOException e) {
            throw new IllegalStateException("Cannot read " + resource + ".", e);
        }
    }

    private static LinkageError error(String sentence, Throwable cause) {
        return new LinkageError(
                sentence,
                new SuppressRestartsException(new IllegalStateException(sentence, cause)));
    }
}
