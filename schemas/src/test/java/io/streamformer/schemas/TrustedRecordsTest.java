package io.streamformer.schemas;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.streamformer.schemas.testing.Records;
import java.io.File;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.apache.avro.specific.SpecificData;
import org.apache.avro.util.ClassUtils;
import org.junit.jupiter.api.Test;

class TrustedRecordsTest {

    /** What a producer does with the schemas artefact alone. */
    public static final class Producer implements Callable<String> {
        @Override
        public String call() {
            return TextEvent.newBuilder().setId("1").setText("hello").build().getText();
        }
    }

    /** What a reader of results does: a record with records, arrays and maps in it. */
    public static final class Reader implements Callable<String> {
        @Override
        public String call() throws Exception {
            Translation translation = Records.translation();
            return Translation.fromByteBuffer(translation.toByteBuffer()).getModel().getName();
        }
    }

    @Test
    void aRecordIsBuiltInAProgramThatTrustedNothing() throws Exception {
        assertThat(inANewProgram(Producer.class)).isEqualTo("hello");
    }

    @Test
    void aRecordIsReadInAProgramThatTrustedNothing() throws Exception {
        assertThat(inANewProgram(Reader.class))
                .isEqualTo(Records.translation().getModel().getName());
    }

    @Test
    void otherClassesStayUntrusted() {
        assertThat(SpecificData.getForClass(TextEvent.class).getSchema(TextEvent.class).getName())
                .isEqualTo("TextEvent");
        assertThatThrownBy(
                        () ->
                                ClassUtils.forName(
                                        getClass().getClassLoader(), RecordCodec.class.getName()))
                .isInstanceOf(SecurityException.class);
    }

    /** Runs in a class loader of its own, so that Avro has been told nothing yet. */
    @SuppressWarnings("unchecked")
    private static String inANewProgram(Class<? extends Callable<String>> program)
            throws Exception {
        List<URL> classPath = new ArrayList<>();
        for (String entry : System.getProperty("java.class.path").split(File.pathSeparator, -1)) {
            classPath.add(Path.of(entry).toUri().toURL());
        }
        try (URLClassLoader loader =
                new URLClassLoader(
                        classPath.toArray(URL[]::new), ClassLoader.getPlatformClassLoader())) {
            Object copy =
                    loader.loadClass(program.getName()).getDeclaredConstructor().newInstance();
            return ((Callable<String>) copy).call();
        }
    }
}
