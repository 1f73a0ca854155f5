package io.streamformer.flink;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.streamformer.bundle.BundleReference;
import io.streamformer.flink.async.InferenceAsyncFunction;
import io.streamformer.flink.async.PipelineModel;
import io.streamformer.flink.task.ClassificationRecords;
import io.streamformer.flink.testing.NoRuntime;
import io.streamformer.options.Options;
import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.flink.runtime.execution.SuppressRestartsException;
import org.apache.flink.util.InstantiationUtil;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RuntimeJarTest {

    private static final String MISSING = "Flink's lib folder has no Streamformer runtime. Put ";

    @Test
    void aJobOfOnesOwnIsToldThatTheRuntimeIsMissing() throws Exception {
        try (URLClassLoader flink = NoRuntime.classLoader()) {
            Class<?> step = flink.loadClass(Streamformer.class.getName());
            assertThatThrownBy(
                            () -> {
                                try {
                                    Class.forName(step.getName(), true, flink)
                                            .getMethod("classify", String.class)
                                            .invoke(null, "/models/sentiment-en");
                                } catch (InvocationTargetException e) {
                                    throw e.getCause();
                                }
                            })
                    .isInstanceOf(LinkageError.class)
                    .hasMessageStartingWith(MISSING);
        }
    }

    @Test
    void aTaskManagerWithoutTheRuntimeEndsTheJobAtOnce() throws Exception {
        byte[] function =
                InstantiationUtil.serializeObject(
                        new InferenceAsyncFunction<>(
                                new PipelineModel.Lease(
                                        new BundleReference("/models/m", "0".repeat(64)),
                                        Options.DEFAULTS,
                                        null),
                                ClassificationRecords.INSTANCE,
                                Options.DEFAULTS));
        try (URLClassLoader flink = NoRuntime.classLoader()) {
            assertThatThrownBy(() -> InstantiationUtil.deserializeObject(function, flink))
                    .isInstanceOf(LinkageError.class)
                    .hasMessageStartingWith(MISSING)
                    .cause()
                    // By name: it is that of the other class loader.
                    .extracting(cause -> cause.getClass().getName())
                    .isEqualTo(SuppressRestartsException.class.getName());
        }
    }

    @Test
    void aRuntimeOfAnotherReleaseIsRefused(@TempDir Path lib) throws IOException {
        assertThat(problem(lib, "0.3.0", "0.3.0")).isNull();
        assertThat(problem(lib, "0.2.0", "0.3.0"))
                .isEqualTo(
                        "The Streamformer runtime in Flink's lib folder is 0.2.0, but this job"
                                + " needs 0.3.0. Put streamformer-runtime-0.3.0-linux-x64.jar into"
                                + " the lib folder of Flink on the client, the JobManager and every"
                                + " TaskManager, and restart them.");
    }

    private static String problem(Path lib, String runtime, String module) throws IOException {
        Path folder = Files.createDirectories(lib.resolve("io/streamformer/flink"));
        Files.writeString(folder.resolveSibling("runtime.properties"), "version=" + runtime);
        Files.writeString(folder.resolve("version.properties"), "version=" + module);
        try (URLClassLoader loader = new URLClassLoader(new URL[] {lib.toUri().toURL()}, null)) {
            return RuntimeJar.problem(loader, "linux-x64").orElse(null);
        }
    }

    @Test
    void theTestsOwnRuntimeIsTheRightOne() {
        RuntimeJar.require();
        RuntimeJar.requireNatives();
    }

    @Test
    void aRuntimeWithoutNativesForTheMachineIsRefused() {
        ClassLoader loader = getClass().getClassLoader();
        assertThat(RuntimeJar.nativesProblem(loader, "linux-aarch64")).isEmpty();
        assertThat(RuntimeJar.nativesProblem(loader, "linux-s390x").orElseThrow())
                .startsWith(
                        "The Streamformer runtime in Flink's lib folder has no natives for this"
                                + " machine, linux-s390x. Put streamformer-runtime-");
    }

    @Test
    void aClassThatDoesNotFitIsExplained() {
        assertThat(RuntimeJar.explain(new NoSuchMethodError("io.streamformer.X.y()")))
                .hasMessageContaining("is of another build than this job")
                .hasMessageContaining("io.streamformer.X.y()")
                .hasMessageContaining("Take both jars from the same build");
        LinkageError natives = new UnsatisfiedLinkError("libonnxruntime.so");
        assertThat(RuntimeJar.explain(natives)).isSameAs(natives);
    }
}
