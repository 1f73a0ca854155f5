package io.streamformer.flink;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/** A bundle whose manifest holds and whose files are right, but which no model lies in. */
final class TestBundle {

    private static final String DECODING =
            """
            "decoding": {"num_beams": 1, "length_penalty": 1.0, "max_length_factor": 2.0,
              "max_length_offset": 4, "max_new_tokens": 8, "min_new_tokens": 0,
              "eos_token_id": 1},
            """;

    private TestBundle() {}

    static Path classifier(Path parent, String name) {
        return write(parent, name, "text-classification", "\"labels\": [\"no\", \"yes\"],", "");
    }

    static Path translator(Path parent, String name) {
        return write(parent, name, "translation", "\"target_languages\": [\"fr\"],", DECODING);
    }

    static Path ofTask(Path parent, String name, String task) {
        boolean labelled = task.endsWith("classification");
        String labels = labelled ? "\"labels\": [\"O\", \"B-X\"]," : "";
        return write(parent, name, task, labels, task.endsWith("ion") ? DECODING : "");
    }

    private static Path write(
            Path parent, String name, String task, String languages, String decoding) {
        try {
            Path folder = Files.createDirectories(parent.resolve(name));
            String manifest =
                    """
                    {"format": 1, "name": "%s", "version": "7", "task": "%s", "family": "tiny",
                     %s %s
                     "tokenizer": {"file": "tokenizer.json", "pad_token_id": 0},
                     "limits": {"max_tokens": 16},
                     "inputs": [{"name": "input_ids", "type": "int64", "shape": ["batch"]}],
                     "outputs": [{"name": "logits", "type": "float32", "shape": ["batch"]}],
                     "default_variant": "fp32",
                     "variants": {"fp32": {"file": "model.fp32.onnx",
                       "tolerance": {"score": 0.01, "equal_share": 1.0}}},
                     "golden": "golden.jsonl",
                     "files": {"tokenizer.json": "%s", "model.fp32.onnx": "%s",
                       "golden.jsonl": "%s"},
                     "source": "none", "license": "none"}
                    """
                            .formatted(
                                    name,
                                    task,
                                    languages,
                                    decoding,
                                    file(folder, "tokenizer.json"),
                                    file(folder, "model.fp32.onnx"),
                                    file(folder, "golden.jsonl"));
            Files.writeString(folder.resolve("manifest.json"), manifest);
            return folder;
        } catch (IOException | NoSuchAlgorithmException e) {
            throw new AssertionError(e);
        }
    }

    /** Writes a file whose content is its name; gives its hash. */
    private static String file(Path folder, String name)
            throws IOException, NoSuchAlgorithmException {
        byte[] content = Records.utf8(name);
        Files.write(folder.resolve(name), content);
        return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(content));
    }
}
