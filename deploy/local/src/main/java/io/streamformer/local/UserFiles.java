package io.streamformer.local;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.FilterInputStream;
import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * The files and standard streams that the user names: checked before work starts, and what fails
 * later is an {@link AccessException} that says which of them failed and why. It is unchecked so
 * that a {@link java.io.PrintStream} does not swallow it.
 */
public final class UserFiles {

    private static final int MOST_LINKS = 40; // as in Linux

    private UserFiles() {}

    /** Refuses what is no readable file. */
    public static void checkReadable(String option, Path file) {
        Path target = target(option, file);
        String rule = option + " must be an existing file: ";
        refuseIf(!Files.exists(target), rule + missing(file, target) + ". Check the path");
        refuseIf(
                Files.isDirectory(target),
                rule + file + " is a folder, not a file. Name a file in it");
        refuseIf(
                !Files.isReadable(target),
                option + " must be readable: " + file + " is not. Change its permissions");
    }

    /** Refuses what can be no file to write. */
    public static void checkWritable(String option, Path file) {
        Path target = target(option, file);
        Path folder = target.toAbsolutePath().getParent();
        refuseIf(
                folder == null || !Files.isDirectory(folder),
                option
                        + " must be in an existing folder: "
                        + missing(file, target)
                        + (folder == null ? "" : ", and there is no folder " + folder)
                        + ". Make the folder first");
        refuseIf(
                Files.isDirectory(target),
                option + " must be a file: " + file + " is a folder, not a file. Add a file name");
        refuseIf(
                !Files.isWritable(Files.exists(target) ? target : folder),
                option + " must be writable: " + file + " is not. Change its permissions");
    }

    /** Refuses what is no folder with a manifest. */
    static void checkBundle(String option, Path folder) {
        Path target = target(option, folder);
        if (!Files.isRegularFile(target.resolve("manifest.json"))) {
            String is =
                    !Files.exists(target)
                            ? missing(folder, target)
                            : folder
                                    + (Files.isDirectory(target)
                                            ? " has none"
                                            : " is not a folder");
            throw new UsageException(
                    option
                            + " must be a folder with a manifest.json: "
                            + is
                            + ". Build one with streamformer-export export");
        }
    }

    /** Opens a file to read. */
    public static InputStream read(String option, Path file) {
        String name = option + " " + file;
        try {
            return new Input(Files.newInputStream(file), name);
        } catch (IOException e) {
            throw unreadable(name, e);
        }
    }

    /** The standard input. */
    public static InputStream standardInput() {
        return new Input(System.in, "the standard input");
    }

    /** Opens a file to write, in place of what it had. */
    public static OutputStream write(String option, Path file) {
        String name = option + " " + file;
        String next = "Free space on its disk, or name another file";
        try {
            return new Output(Files.newOutputStream(file), name, next);
        } catch (IOException e) {
            throw new AccessException("write to " + name, e, next);
        }
    }

    /** The standard output of the process. */
    static OutputStream standardOutput() {
        return new Output(
                new FileOutputStream(FileDescriptor.out),
                "the standard output",
                "Keep the program that reads it running, or write to a file with free space");
    }

    /** Where links lead; the file itself where it is none. */
    private static Path target(String option, Path file) {
        Path target = file;
        for (int links = 0; Files.isSymbolicLink(target); links++) {
            refuseIf(
                    links == MOST_LINKS,
                    option + " must be a file: " + file + " is a link to itself. Mend the link");
            try {
                target = target.resolveSibling(Files.readSymbolicLink(target));
            } catch (IOException e) {
                throw unreadable(option + " " + file, e);
            }
        }
        return target;
    }

    private static String missing(Path file, Path target) {
        return target.equals(file)
                ? file + " does not exist"
                : file + " is a link to " + target + ", which does not exist";
    }

    private static void refuseIf(boolean broken, String message) {
        if (broken) {
            throw new UsageException(message);
        }
    }

    private static AccessException unreadable(String name, IOException e) {
        return new AccessException("read " + name, e, "Check the file and its disk");
    }

    private static final class Input extends FilterInputStream {
        private final String name;

        private Input(InputStream in, String name) {
            super(in);
            this.name = name;
        }

        @Override
        public int read() {
            try {
                return in.read();
            } catch (IOException e) {
                throw unreadable(name, e);
            }
        }

        @Override
        public int read(byte[] bytes, int from, int count) {
            try {
                return in.read(bytes, from, count);
            } catch (IOException e) {
                throw unreadable(name, e);
            }
        }
    }

    private static final class Output extends FilterOutputStream {
        private final String name;
        private final String next;

        private Output(OutputStream out, String name, String next) {
            super(out);
            this.name = name;
            this.next = next;
        }

        @Override
        public void write(int b) {
            write(new byte[] {(byte) b}, 0, 1);
        }

        @Override
        public void write(byte[] bytes, int from, int count) {
            try {
                out.write(bytes, from, count);
            } catch (IOException e) {
                throw new AccessException("write to " + name, e, next);
            }
        }

        @Override
        public void close() {
            try {
                out.close();
            } catch (IOException e) {
                throw new AccessException("write to " + name, e, next);
            }
        }
    }
}
