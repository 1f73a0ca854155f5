package io.streamformer.local;

import java.io.IOException;
import java.io.InputStream;
import java.util.Properties;
import picocli.CommandLine;

/** The release, and the releases of what it uses. */
public final class Releases implements CommandLine.IVersionProvider {

    @Override
    public String[] getVersion() throws IOException {
        Properties versions = new Properties();
        try (InputStream in = Releases.class.getResourceAsStream("version.properties")) {
            versions.load(in);
        }
        return new String[] {
            "streamformer " + versions.getProperty("version"),
            "Flink "
                    + versions.getProperty("flink")
                    + ", Kafka "
                    + versions.getProperty("kafka")
                    + ", ONNX Runtime "
                    + versions.getProperty("onnxruntime")
                    + ", Java "
                    + Runtime.version()
        };
    }
}
