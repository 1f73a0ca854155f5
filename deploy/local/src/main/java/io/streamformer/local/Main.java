package io.streamformer.local;

import io.streamformer.bundle.BundleException;
import io.streamformer.local.bench.BenchCommand;
import io.streamformer.local.demo.DemoCommand;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.ParameterException;

/** The command line: {@code streamformer demo} and {@code streamformer bench}. */
@Command(
        name = "streamformer",
        description = "Transformer inference inside Apache Flink, on this machine.",
        subcommands = {DemoCommand.class, BenchCommand.class, CommandLine.HelpCommand.class},
        mixinStandardHelpOptions = true,
        versionProvider = Releases.class,
        synopsisSubcommandLabel = "(demo | bench)")
public final class Main implements Runnable {

    private static final Logger LOG = LoggerFactory.getLogger(Main.class);

    @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

    /** Runs a command and ends the process with its exit code. */
    public static void main(String[] args) {
        Signals.interrupt(Thread.currentThread());
        // The JVM's own swallows errors: a full disk or a closed pipe would pass for success.
        System.setOut(new PrintStream(UserFiles.standardOutput(), true, StandardCharsets.UTF_8));
        System.exit(Signals.exitCode(run(args)));
    }

    /** Runs a command in this JVM and returns its exit code. */
    public static int run(String... args) {
        CommandLine command = new CommandLine(new Main());
        command.registerConverter(Path.class, Arguments::path)
                .setCaseInsensitiveEnumValuesAllowed(true)
                .setParameterExceptionHandler(Main::badArguments)
                .setExecutionExceptionHandler(Main::failed)
                .setUsageHelpWidth(Math.min(100, Integer.getInteger("streamformer.columns", 100)));
        return command.setExecutionStrategy(Main::execute).execute(args);
    }

    /** Help and version are printed outside any command: what fails there has no handler. */
    private static int execute(CommandLine.ParseResult parsed) {
        try {
            return new CommandLine.RunLast().execute(parsed);
        } catch (AccessException error) {
            return failed(error, parsed.commandSpec().commandLine(), parsed);
        }
    }

    @Override
    public void run() {
        throw new ParameterException(
                spec.commandLine(), "Say what to do: streamformer demo, or streamformer bench");
    }

    private static int badArguments(ParameterException error, String[] args) {
        CommandLine command = error.getCommandLine();
        say(
                command,
                oneLine(error.getMessage()).replaceFirst("^Error: ", "")
                        + " (see "
                        + command.getCommandSpec().qualifiedName()
                        + " --help)");
        return CommandLine.ExitCode.USAGE;
    }

    private static int failed(
            Exception error, CommandLine command, CommandLine.ParseResult parsed) {
        if (error instanceof UsageException) {
            say(command, oneLine(error.getMessage()));
            return CommandLine.ExitCode.USAGE;
        }
        if (Signals.received()) {
            // Whatever broke off did so because of it.
            return CommandLine.ExitCode.SOFTWARE;
        }
        if (error instanceof AccessException) {
            say(command, oneLine(error.getMessage()));
            return CommandLine.ExitCode.SOFTWARE;
        }
        LOG.error("{} failed", command.getCommandName(), error);
        say(command, oneLine(Causes.of(error)));
        String log = System.getProperty("streamformer.log");
        if (log != null && !(error instanceof BundleException)) {
            command.getErr().println("The whole story is in " + log);
        }
        return CommandLine.ExitCode.SOFTWARE;
    }

    private static void say(CommandLine command, String line) {
        PrintWriter err = command.getErr();
        err.println("streamformer: " + Screen.printable(line));
        err.flush();
    }

    private static String oneLine(String message) {
        return message.strip().replaceAll("\\s*\\R\\s*", " ");
    }
}
