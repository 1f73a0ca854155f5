package io.streamformer.inference;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import io.streamformer.tokenize.TokenizedText;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.LongBuffer;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Runs batches on one thread, with input buffers that are kept from run to run. */
public final class ModelRunner {

    private final OrtEnvironment environment = OrtEnvironment.getEnvironment();
    private final OrtSession session;
    private final OrtSession.RunOptions quiet;
    private final int padTokenId;
    private final boolean generates;
    private final boolean typed;

    private LongBuffer ids = allocate(0);
    private LongBuffer mask = allocate(0);
    private LongBuffer types = allocate(0);
    private LongBuffer limits = allocate(0);

    ModelRunner(
            OrtSession session, OrtSession.RunOptions quiet, int padTokenId, boolean generates) {
        this.session = session;
        this.quiet = quiet;
        this.padTokenId = padTokenId;
        this.generates = generates;
        this.typed = session.getInputNames().contains(GraphCheck.TOKEN_TYPE_IDS);
    }

    /**
     * Runs the rows as one batch, padded to the longest.
     *
     * @param rows at least one row
     * @param generation how to decode; ignored by a model that does not generate
     * @throws ModelException if ONNX Runtime failed
     */
    public ModelOutput run(List<TokenizedText> rows, GenerationOptions generation) {
        if (rows.isEmpty()) {
            throw new IllegalArgumentException("a batch has at least one row: this is a bug");
        }
        int longest = 0;
        for (TokenizedText row : rows) {
            longest = Math.max(longest, row.length());
        }
        lay(rows, longest);
        Map<String, OnnxTensor> inputs = new HashMap<>();
        try {
            long[] shape = {rows.size(), longest};
            inputs.put(GraphCheck.INPUT_IDS, tensor(ids, shape));
            inputs.put(GraphCheck.ATTENTION_MASK, tensor(mask, shape));
            if (typed) {
                inputs.put(GraphCheck.TOKEN_TYPE_IDS, tensor(types, shape));
            }
            if (generates) {
                addDecoding(rows, generation, inputs);
            }
            try (OrtSession.Result result = session.run(inputs, quiet)) {
                return generates ? sequences(result) : logits(result);
            }
        } catch (OrtException e) {
            throw new ModelException(e.getMessage(), isOutOfMemory(e), e);
        } finally {
            inputs.values().forEach(OnnxTensor::close);
        }
    }

    private void lay(List<TokenizedText> rows, int longest) {
        int size = rows.size() * longest;
        ids = cleared(ids, size);
        mask = cleared(mask, size);
        types = cleared(types, typed ? size : 0);
        for (TokenizedText row : rows) {
            int padding = longest - row.length();
            ids.put(row.ids());
            fill(ids, padTokenId, padding);
            fill(mask, 1, row.length());
            fill(mask, 0, padding);
            if (typed) {
                if (row.typeIds() == null) {
                    fill(types, 0, longest);
                } else {
                    types.put(row.typeIds());
                    fill(types, 0, padding);
                }
            }
        }
        ids.flip();
        mask.flip();
        types.flip();
    }

    private void addDecoding(
            List<TokenizedText> rows, GenerationOptions generation, Map<String, OnnxTensor> inputs)
            throws OrtException {
        limits = cleared(limits, rows.size());
        for (TokenizedText row : rows) {
            limits.put(generation.limit(row.length()));
        }
        limits.flip();
        inputs.put(GraphCheck.MAX_NEW_TOKENS, tensor(limits, new long[] {rows.size()}));
        inputs.put(GraphCheck.MIN_NEW_TOKENS, scalar((long) generation.minNewTokens()));
        inputs.put(GraphCheck.NUM_BEAMS, scalar((long) generation.numBeams()));
        inputs.put(GraphCheck.LENGTH_PENALTY, scalar(generation.lengthPenalty()));
    }

    private OnnxTensor tensor(LongBuffer buffer, long[] shape) throws OrtException {
        return OnnxTensor.createTensor(environment, buffer, shape);
    }

    private OnnxTensor scalar(Object value) throws OrtException {
        return OnnxTensor.createTensor(environment, value);
    }

    private static ModelOutput logits(OrtSession.Result result) {
        OnnxTensor logits = output(result, GraphCheck.LOGITS);
        long[] shape = logits.getInfo().getShape();
        float[] values = new float[(int) (shape[0] * shape[1])];
        logits.getFloatBuffer().get(values);
        return new ModelOutput.Logits(values, (int) shape[1]);
    }

    private static ModelOutput sequences(OrtSession.Result result) {
        OnnxTensor sequences = output(result, GraphCheck.SEQUENCES);
        long[] shape = sequences.getInfo().getShape();
        long[] tokens = new long[(int) (shape[0] * shape[1] * shape[2])];
        sequences.getLongBuffer().get(tokens);
        float[] scores = new float[(int) (shape[0] * shape[1])];
        output(result, GraphCheck.SCORES).getFloatBuffer().get(scores);
        return new ModelOutput.Sequences(tokens, scores, (int) shape[1], (int) shape[2]);
    }

    private static OnnxTensor output(OrtSession.Result result, String name) {
        return (OnnxTensor)
                result.get(name)
                        .orElseThrow(
                                () ->
                                        new IllegalStateException(
                                                "the graph was checked and has no output "
                                                        + name
                                                        + ": this is a bug"));
    }

    /** ONNX Runtime has no code for it: providers and allocators say it in their own words. */
    static boolean isOutOfMemory(Throwable failure) {
        String message = String.valueOf(failure.getMessage()).toLowerCase(Locale.ROOT);
        return message.contains("out of memory")
                || message.contains("out_of_memory")
                || message.contains("failed to allocate")
                || message.contains("bad_alloc")
                || message.contains("alloc_failed")
                || message.contains("available memory of");
    }

    private static LongBuffer cleared(LongBuffer buffer, int size) {
        LongBuffer fitting = buffer.capacity() >= size ? buffer : allocate(size);
        return fitting.clear().limit(size);
    }

    private static LongBuffer allocate(int size) {
        return ByteBuffer.allocateDirect(size * Long.BYTES)
                .order(ByteOrder.nativeOrder())
                .asLongBuffer();
    }

    private static void fill(LongBuffer buffer, long value, int count) {
        for (int i = 0; i < count; i++) {
            buffer.put(value);
        }
    }
}
