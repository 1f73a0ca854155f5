package io.streamformer.local;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class UserFilesTest {

    @TempDir private Path folder;

    @ParameterizedTest
    @ValueSource(strings = {"-", "-o", "a b", "'\"", "a\nb", "100%20", "#1", "c:d", "é漢", "a;b,c"})
    void takesOddNames(String name) throws Exception {
        Path file = folder.resolve(name);
        UserFiles.checkWritable("--output", file);
        try (OutputStream out = UserFiles.write("--output", file)) {
            out.write("text".getBytes(UTF_8));
        }
        UserFiles.checkReadable("--file", file);
        try (InputStream in = UserFiles.read("--file", file)) {
            assertThat(in.readAllBytes()).asString(UTF_8).isEqualTo("text");
        }
    }

    @Test
    void writesThroughALinkToANewFile() throws Exception {
        Path link = Files.createSymbolicLink(folder.resolve("link"), Path.of("new"));
        assertThatCode(() -> UserFiles.checkWritable("--output", link)).doesNotThrowAnyException();
    }

    @Test
    void refusesLinksInACircle() throws Exception {
        Path link = Files.createSymbolicLink(folder.resolve("link"), Path.of("link"));
        assertThatThrownBy(() -> UserFiles.checkReadable("--file", link))
                .isInstanceOf(UsageException.class)
                .hasMessageContaining("link is a link to itself. Mend the link");
        assertThatThrownBy(() -> UserFiles.checkWritable("--output", link))
                .isInstanceOf(UsageException.class);
        assertThatThrownBy(() -> UserFiles.checkBundle("--bundle", link))
                .isInstanceOf(UsageException.class);
    }

    @Test
    void bundlesAreFolders() throws Exception {
        Path file = Files.writeString(folder.resolve("file"), "");
        assertThatThrownBy(() -> UserFiles.checkBundle("--bundle", file))
                .hasMessageContaining(file + " is not a folder. Build one with");
        assertThatThrownBy(() -> UserFiles.checkBundle("--bundle", folder))
                .hasMessageContaining(folder + " has none. Build one with");
    }

    @Test
    void aFullDiskIsNoSuccess() {
        // A PrintStream swallows what an OutputStream throws, but not this.
        PrintStream full =
                new PrintStream(UserFiles.write("--json", Path.of("/dev/full")), true, UTF_8);
        assertThatThrownBy(() -> full.println("a figure"))
                .isInstanceOf(AccessException.class)
                .hasMessage(
                        "Cannot write to --json /dev/full: No space left on device. Free space on"
                                + " its disk, or name another file");
    }

    @Test
    void saysWhatCannotBeRead() {
        Path gone = folder.resolve("gone");
        assertThatThrownBy(() -> UserFiles.read("--file", gone))
                .hasMessage(
                        "Cannot read --file "
                                + gone
                                + ": no such file or folder. Check the file and its disk");
        assertThatThrownBy(() -> UserFiles.read("--file", folder).read())
                .hasMessageContaining("Is a directory");
    }
}
