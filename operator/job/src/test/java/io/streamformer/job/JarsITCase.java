package io.streamformer.job;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import io.streamformer.engine.InferencePipeline;
import io.streamformer.engine.TextInput;
import io.streamformer.options.Options;
import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.net.Proxy;
import java.net.ProxySelector;
import java.net.SocketAddress;
import java.net.URI;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.jar.Attributes;
import java.util.jar.JarFile;
import java.util.zip.ZipEntry;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

/** The jars that the build made for a cluster: the runtime for its lib folder, and the job. */
@DisabledIfSystemProperty(
        named = "streamformer.runtime.suffix",
        matches = ".+",
        disabledReason = "-Pgpu makes a larger runtime jar, and none for aarch64")
class JarsITCase {

    private static final String VERSION = System.getProperty("streamformer.version");
    private static final Path OPERATOR =
            Path.of(System.getProperty("streamformer.home"), "operator").normalize();
    private static final Path JOB =
            OPERATOR.resolve("job/target/streamformer-job-" + VERSION + "-dist.jar");
    private static final long MIB = 1 << 20;

    private static Path runtime(String platform) {
        return OPERATOR.resolve(
                "core/target/streamformer-runtime-" + VERSION + "-" + platform + ".jar");
    }

    @Test
    void noClassIsInBothJars() {
        assertThat(common(classes(JOB), classes(runtime("linux-x64")))).isEmpty();
    }

    @Test
    void noEntryIsInAJarTwice() {
        for (Path jar : List.of(JOB, runtime("linux-x64"), runtime("linux-aarch64"))) {
            assertThat(entries(jar)).doesNotHaveDuplicates();
            assertThat(entries(jar)).noneMatch(name -> name.startsWith("META-INF/versions/"));
        }
    }

    @Test
    void noClassIsInFlinkToo() {
        Set<String> flink = new HashSet<>();
        for (String jar : classPath()) {
            if (isInADistributionOfFlink(Path.of(jar).getFileName().toString())) {
                flink.addAll(classes(Path.of(jar)));
            }
        }
        assertThat(flink)
                .contains(
                        "org/apache/flink/runtime/taskmanager/Task.class",
                        "org/apache/flink/connector/base/source/reader/SourceReaderBase.class",
                        "org/slf4j/Logger.class",
                        "org/xerial/snappy/Snappy.class");
        assertThat(common(classes(JOB), flink)).isEmpty();
        assertThat(common(classes(runtime("linux-x64")), flink)).isEmpty();
    }

    private static Set<String> common(Set<String> classes, Set<String> others) {
        Set<String> common = new HashSet<>(classes);
        common.retainAll(others);
        return common;
    }

    private static boolean isInADistributionOfFlink(String jar) {
        return jar.matches("(flink|commons|lz4|snappy|slf4j|log4j)-.*")
                && !jar.matches("flink-(avro|connector-kafka|test-utils)-.*");
    }

    /** Also no logging backend, and no library under its own name that should have another. */
    @Test
    void theJarsHaveTheseLibrariesOnly() {
        assertThat(
                        others(
                                JOB,
                                "io/streamformer/job/",
                                "io/streamformer/flink/",
                                "io/streamformer/schemas/",
                                "io/streamformer/shaded/org/apache/flink/",
                                "com/fasterxml/jackson/",
                                "org/apache/avro/",
                                "org/apache/kafka/"))
                .isEmpty();
        assertThat(
                        others(
                                runtime("linux-x64"),
                                "io/streamformer/",
                                "ai/djl/",
                                "ai/onnxruntime/",
                                "com/github/luben/zstd/",
                                "com/sun/jna/"))
                .isEmpty();
    }

    /** Classes of a jar that are in none of these folders. */
    private static List<String> others(Path jar, String... folders) {
        return classes(jar).stream()
                .filter(name -> Arrays.stream(folders).noneMatch(name::startsWith))
                .toList();
    }

    @Test
    void nativesAreInTheRuntimeOnlyOnceAndOfOnePlatform() {
        assertThat(natives(JOB)).isEmpty();
        assertThat(natives(runtime("linux-x64")))
                .containsExactlyInAnyOrder(
                        "ai/onnxruntime/native/linux-x64/libonnxruntime.so",
                        "ai/onnxruntime/native/linux-x64/libonnxruntime4j_jni.so",
                        "com/sun/jna/linux-x86-64/libjnidispatch.so",
                        "linux/amd64/libzstd-jni.so",
                        "native/lib/linux-x86_64/cpu/libtokenizers.so");
        assertThat(natives(runtime("linux-aarch64")))
                .containsExactlyInAnyOrder(
                        "ai/onnxruntime/native/linux-aarch64/libonnxruntime.so",
                        "ai/onnxruntime/native/linux-aarch64/libonnxruntime4j_jni.so",
                        "com/sun/jna/linux-aarch64/libjnidispatch.so",
                        "linux/aarch64/libzstd-jni.so",
                        "native/lib/linux-aarch64/cpu/libtokenizers.so");
        assertThat(classes(runtime("linux-aarch64"))).isEqualTo(classes(runtime("linux-x64")));
    }

    private static List<String> natives(Path jar) {
        return entries(jar).stream()
                .filter(name -> name.matches(".*\\.(so|dll|dylib|jnilib|a)(\\.\\d+)*"))
                .map(name -> name.replaceFirst("zstd-jni-[0-9.-]+\\.so", "zstd-jni.so"))
                .toList();
    }

    @Test
    void sizesAreAsExpected() throws IOException {
        assertThat(Files.size(JOB)).isBetween(8 * MIB, 20 * MIB);
        assertThat(Files.size(runtime("linux-x64"))).isBetween(14 * MIB, 28 * MIB);
        assertThat(Files.size(runtime("linux-aarch64"))).isBetween(14 * MIB, 28 * MIB);
    }

    @Test
    void flinkRunFindsTheMainClass() throws IOException {
        try (JarFile jar = new JarFile(JOB.toFile())) {
            Attributes manifest = jar.getManifest().getMainAttributes();
            assertThat(manifest.getValue(Attributes.Name.MAIN_CLASS))
                    .isEqualTo(StreamformerJob.class.getName());
            assertThat(manifest.getValue(Attributes.Name.IMPLEMENTATION_VERSION))
                    .isEqualTo(VERSION);
        }
    }

    @Test
    void servicesNameClassesOfTheirJar() {
        assertThat(services(JOB))
                .contains(
                        "org.apache.avro.SchemaFormatterFactory",
                        "org.apache.kafka.common.config.provider.ConfigProvider");
        for (Path jar : List.of(JOB, runtime("linux-x64"))) {
            Set<String> classes = classes(jar);
            for (String service : services(jar)) {
                assertThat(classes).contains(classFile(service));
                List<String> providers = lines(jar, "META-INF/services/" + service);
                assertThat(providers).isNotEmpty().doesNotHaveDuplicates();
                assertThat(classes)
                        .containsAll(providers.stream().map(JarsITCase::classFile).toList());
            }
        }
    }

    @Test
    void theJarsHaveTheLicencesOfWhatTheyContain() {
        for (Path jar : List.of(JOB, runtime("linux-x64"), runtime("linux-aarch64"))) {
            assertThat(entries(jar))
                    .contains("META-INF/LICENSE", "META-INF/LICENSE-bundled", "META-INF/NOTICE");
        }
        assertThat(lines(JOB, "META-INF/NOTICE"))
                .contains("Apache Avro", "Apache Flink", "# Jackson JSON processor");
        assertThat(String.join("\n", lines(JOB, "META-INF/LICENSE-bundled")))
                .contains("org.apache.avro", "org.apache.flink", "kafka-clients", "fasterxml");
        assertThat(String.join("\n", lines(runtime("linux-x64"), "META-INF/LICENSE-bundled")))
                .contains("onnxruntime", "ai.djl", "jna", "zstd-jni", "caffeine", "gson");
    }

    /** Runs in a class loader that has the runtime jar, slf4j and this class. */
    public static final class OneText implements Callable<String> {
        @Override
        public String call() {
            InferencePipeline pipeline =
                    InferencePipeline.acquire(
                            OPERATOR.resolve("core/src/test/resources/bundles/tiny-sentiment"),
                            Options.DEFAULTS);
            try {
                return pipeline.submit(TextInput.of("hello"))
                        .join()
                        .prediction()
                        .getClass()
                        .getSimpleName();
            } finally {
                pipeline.close();
            }
        }
    }

    @Test
    void theRuntimeAloneAnswersATextWithoutTheNetwork(@TempDir Path natives) throws Exception {
        assumeThat(System.getProperty("os.name") + System.getProperty("os.arch"))
                .isEqualTo("Linuxamd64");
        List<URI> asked = new ArrayList<>();
        ProxySelector network = ProxySelector.getDefault();
        ClassLoader context = Thread.currentThread().getContextClassLoader();
        String cache = System.getProperty("DJL_CACHE_DIR");
        try (URLClassLoader loader =
                new URLClassLoader(
                        new URL[] {
                            runtime("linux-x64").toUri().toURL(),
                            Path.of(entryWith("/slf4j-api-")).toUri().toURL(),
                            JarsITCase.class.getProtectionDomain().getCodeSource().getLocation()
                        },
                        ClassLoader.getPlatformClassLoader())) {
            ProxySelector.setDefault(new Recording(asked));
            System.setProperty("DJL_CACHE_DIR", natives.toString());
            Thread.currentThread().setContextClassLoader(loader);
            Callable<?> program =
                    (Callable<?>)
                            loader.loadClass(OneText.class.getName())
                                    .getDeclaredConstructor()
                                    .newInstance();
            assertThat(program.call()).isEqualTo("Classification");
        } finally {
            Thread.currentThread().setContextClassLoader(context);
            ProxySelector.setDefault(network);
            if (cache == null) {
                System.clearProperty("DJL_CACHE_DIR");
            } else {
                System.setProperty("DJL_CACHE_DIR", cache);
            }
        }
        assertThat(asked).isEmpty();
        assertThat(natives).isNotEmptyDirectory();
    }

    /** Java asks it before it opens a connection by URL. */
    private static final class Recording extends ProxySelector {
        private final List<URI> asked;

        private Recording(List<URI> asked) {
            this.asked = asked;
        }

        @Override
        public List<Proxy> select(URI uri) {
            asked.add(uri);
            return List.of(Proxy.NO_PROXY);
        }

        @Override
        public void connectFailed(URI uri, SocketAddress address, IOException cause) {}
    }

    private static String entryWith(String name) {
        return classPath().stream().filter(entry -> entry.contains(name)).findFirst().orElseThrow();
    }

    private static List<String> classPath() {
        return Arrays.asList(System.getProperty("java.class.path").split(File.pathSeparator, -1));
    }

    private static List<String> services(Path jar) {
        return entries(jar).stream()
                .filter(name -> name.startsWith("META-INF/services/"))
                .map(name -> name.substring("META-INF/services/".length()))
                .toList();
    }

    private static String classFile(String className) {
        return className.replace('.', '/') + ".class";
    }

    private static Set<String> classes(Path jar) {
        Set<String> classes = new HashSet<>(entries(jar));
        classes.removeIf(name -> !name.endsWith(".class") || name.endsWith("module-info.class"));
        return classes;
    }

    /** Names of the files in a jar. */
    private static List<String> entries(Path jar) {
        try (JarFile file = new JarFile(jar.toFile())) {
            return file.stream()
                    .filter(entry -> !entry.isDirectory())
                    .map(ZipEntry::getName)
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException(jar.toString(), e);
        }
    }

    /** Lines of a text in a jar; without comments where it names services. */
    private static List<String> lines(Path jar, String name) {
        try (JarFile file = new JarFile(jar.toFile());
                BufferedReader reader =
                        new BufferedReader(
                                new InputStreamReader(
                                        file.getInputStream(file.getEntry(name)),
                                        StandardCharsets.UTF_8))) {
            return reader.lines()
                    .map(String::strip)
                    .filter(line -> !line.isEmpty())
                    .filter(line -> !name.contains("/services/") || !line.startsWith("#"))
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException(jar + ": " + name, e);
        }
    }
}
