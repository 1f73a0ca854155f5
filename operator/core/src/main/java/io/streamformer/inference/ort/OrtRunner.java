package io.streamformer.inference.ort;

import ai.onnxruntime.OnnxJavaType;
import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OnnxValue;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtLoggingLevel;
import ai.onnxruntime.OrtSession;
import io.streamformer.bundle.DecodingOptions;
import io.streamformer.inference.GenerationOptions;
import io.streamformer.inference.ModelException;
import io.streamformer.inference.ModelInput;
import io.streamformer.inference.ModelOutput;
import io.streamformer.inference.ModelRunner;
import io.streamformer.options.Option;
import io.streamformer.tokenize.TokenizedText;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/** Runs batches on one thread, with input buffers that are kept from run to run. */
final class OrtRunner implements ModelRunner {

    private final OrtEnvironment environment = OrtEnvironment.getEnvironment();
    private final OrtSession session;
    private final int padTokenId;
    private final boolean generates;
    private final Shortlist shortlist;
    private final boolean minimumPerRow;
    private final Set<String> inputNames;
    private final boolean typed;

    /** Those that are inputs of the graph. */
    private final List<Option<?>> options;

    /** The options of the run under way; null between runs. Guarded by this object. */
    private OrtSession.RunOptions running;

    private LongBuffer ids = allocate(0);
    private LongBuffer mask = allocate(0);
    private LongBuffer types = allocate(0);
    private LongBuffer limits = allocate(0);
    private LongBuffer firstTokens = allocate(0);
    private LongBuffer seeds = allocate(0);
    private LongBuffer candidates = allocate(0);

    OrtRunner(
            OrtSession session,
            int padTokenId,
            boolean generates,
            Shortlist shortlist,
            boolean minimumPerRow) {
        this.session = session;
        this.padTokenId = padTokenId;
        this.generates = generates;
        this.shortlist = shortlist;
        this.minimumPerRow = minimumPerRow;
        this.inputNames = session.getInputNames();
        this.typed = inputNames.contains(GraphCheck.TOKEN_TYPE_IDS);
        this.options =
                DecodingOptions.ALL.stream()
                        .filter(o -> o.graphInput().filter(inputNames::contains).isPresent())
                        .toList();
    }

    @Override
    public ModelOutput run(List<ModelInput> rows, GenerationOptions generation) {
        if (rows.isEmpty()) {
            throw new IllegalArgumentException("a batch has at least one row: this is a bug");
        }
        int longest = 0;
        for (ModelInput row : rows) {
            longest = Math.max(longest, row.text().length());
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
            try (OrtSession.RunOptions options = new OrtSession.RunOptions()) {
                // A run that fails throws what would be printed: a bad text must not fill the log.
                options.setLogLevel(OrtLoggingLevel.ORT_LOGGING_LEVEL_FATAL);
                setRunning(options);
                try (OrtSession.Result result = session.run(inputs, options)) {
                    return read(result);
                } finally {
                    setRunning(null);
                }
            }
        } catch (OrtException e) {
            throw new ModelException(e.getMessage(), isOutOfMemory(e), e);
        } finally {
            inputs.values().forEach(OnnxTensor::close);
        }
    }

    @Override
    public synchronized void terminate() {
        if (running == null) {
            return;
        }
        try {
            running.setTerminate(true);
        } catch (OrtException e) {
            throw new ModelException("a run cannot be ended: " + e.getMessage(), false, e);
        }
    }

    private synchronized void setRunning(OrtSession.RunOptions options) {
        running = options;
    }

    private void lay(List<ModelInput> rows, int longest) {
        int size = rows.size() * longest;
        ids = cleared(ids, size);
        mask = cleared(mask, size);
        types = cleared(types, typed ? size : 0);
        for (ModelInput input : rows) {
            TokenizedText row = input.text();
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
            List<ModelInput> rows, GenerationOptions generation, Map<String, OnnxTensor> inputs)
            throws OrtException {
        limits = cleared(limits, rows.size());
        firstTokens = cleared(firstTokens, rows.size());
        seeds = cleared(seeds, rows.size());
        for (ModelInput row : rows) {
            limits.put(row.maxNewTokens());
            firstTokens.put(row.forcedBosTokenId());
            seeds.put(row.seed());
        }
        long[] shape = {rows.size()};
        inputs.put(GraphCheck.MAX_NEW_TOKENS, tensor(limits.flip(), shape));
        if (minimumPerRow) {
            List<Integer> minima =
                    rows.stream().map(row -> generation.minimum(row.text().length())).toList();
            inputs.put(GraphCheck.MIN_NEW_TOKENS, tensor(minima));
        }
        if (inputNames.contains(GraphCheck.FORCED_BOS_TOKEN_ID)) {
            inputs.put(GraphCheck.FORCED_BOS_TOKEN_ID, tensor(firstTokens.flip(), shape));
        }
        if (inputNames.contains(GraphCheck.SEED)) {
            inputs.put(GraphCheck.SEED, tensor(seeds.flip(), shape));
        }
        if (inputNames.contains(GraphCheck.SHORTLIST)) {
            inputs.put(GraphCheck.SHORTLIST, shortlists(rows));
        }
        for (Option<?> option : options) {
            String name = option.graphInput().orElseThrow();
            if (!inputs.containsKey(name)) {
                inputs.put(name, tensor(generation.get(option)));
            }
        }
    }

    /** The tokens that each row may generate, padded with -1. */
    private OnnxTensor shortlists(List<ModelInput> rows) throws OrtException {
        List<long[]> lists = new ArrayList<>(rows.size());
        int longest = 0;
        for (ModelInput row : rows) {
            long[] list = shortlist.of(row.text().ids());
            lists.add(list);
            longest = Math.max(longest, list.length);
        }
        candidates = cleared(candidates, rows.size() * longest);
        for (long[] list : lists) {
            candidates.put(list);
            fill(candidates, -1, longest - list.length);
        }
        return tensor(candidates.flip(), new long[] {rows.size(), longest});
    }

    /** An option's value: integers are int64, lists are vectors, all else scalars. */
    private OnnxTensor tensor(Object value) throws OrtException {
        if (value instanceof List<?> values) {
            LongBuffer buffer = allocate(values.size());
            values.forEach(one -> buffer.put((Integer) one));
            return tensor(buffer.flip(), new long[] {values.size()});
        }
        Object scalar = value instanceof Integer integer ? (Object) integer.longValue() : value;
        return OnnxTensor.createTensor(environment, scalar);
    }

    private OnnxTensor tensor(LongBuffer buffer, long[] shape) throws OrtException {
        return OnnxTensor.createTensor(environment, buffer, shape);
    }

    private static ModelOutput read(OrtSession.Result result) {
        ModelOutput output = new ModelOutput();
        for (Map.Entry<String, OnnxValue> entry : result) {
            OnnxTensor tensor = (OnnxTensor) entry.getValue();
            long[] shape = tensor.getInfo().getShape();
            if (tensor.getInfo().type == OnnxJavaType.INT64) {
                output.with(entry.getKey(), longs(tensor), shape);
            } else {
                output.with(entry.getKey(), floats(tensor), shape);
            }
        }
        return output;
    }

    private static long[] longs(OnnxTensor tensor) {
        LongBuffer buffer = tensor.getLongBuffer();
        long[] values = new long[buffer.remaining()];
        buffer.get(values);
        return values;
    }

    private static float[] floats(OnnxTensor tensor) {
        FloatBuffer buffer = tensor.getFloatBuffer();
        float[] values = new float[buffer.remaining()];
        buffer.get(values);
        return values;
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
