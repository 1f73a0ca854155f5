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
        problem(RuntimeJar.class.getClassLoader(), platform())
                .ifPresent(
                        sentence -> {
                            throw error(sentence, null);
                        });
    }

    /**
     * Returns where the runtime has natives for this machine. A client needs none.
     *
     * @throws LinkageError as {@link #require}
     */
    public static void requireNatives() {
        // Natives from another folder, or of a developer's machine.
        if (System.getProperty("onnxruntime.native.path") == null
                && System.getProperty("os.name").equals("Linux")) {
            nativesProblem(RuntimeJar.class.getClassLoader(), platform())
                    .ifPresent(
                            sentence -> {
                                throw error(sentence, null);
                            });
        }
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

    static Optional<String> problem(ClassLoader loader, String platform) {
        String wanted = version(loader, MODULE).orElseThrow();
        String step = step(wanted, platform);
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

    static Optional<String> nativesProblem(ClassLoader loader, String platform) {
        if (loader.getResource("ai/onnxruntime/native/" + platform + "/libonnxruntime.so")
                != null) {
            return Optional.empty();
        }
        return Optional.of(
                "The Streamformer runtime in Flink's lib folder has no natives for this machine, "
                        + platform
                        + "."
                        + step(version(loader, MODULE).orElseThrow(), platform));
    }

    private static String step(String version, String platform) {
        return " Put streamformer-runtime-"
                + version
                + "-"
                + platform
                + ".jar into the lib folder of Flink on the client, the JobManager and every"
                + " TaskManager, and restart them.";
    }

    private static String platform() {
        String architecture = System.getProperty("os.arch");
        return "linux-" + (architecture.equals("amd64") ? "x64" : architecture);
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
