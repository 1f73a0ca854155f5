package io.streamformer.flink;

import io.streamformer.batch.Priority;
import io.streamformer.pipeline.PipelineOptions;
import io.streamformer.schemas.Answer;
import io.streamformer.schemas.Classification;
import io.streamformer.schemas.Embedding;
import io.streamformer.schemas.Entities;
import io.streamformer.schemas.GeneratedText;
import io.streamformer.schemas.TextEvent;
import io.streamformer.schemas.Translation;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.apache.avro.specific.SpecificRecordBase;
import org.apache.flink.core.fs.Path;
import org.apache.flink.streaming.api.datastream.AsyncDataStream;
import org.apache.flink.streaming.api.datastream.DataStream;

/**
 * A model as a step of a Flink job: a stream of text events in, a stream of results and one of dead
 * letters out.
 *
 * <pre>{@code
 * Inference<Classification> sentiment =
 *         Streamformer.classify("s3://models/sentiment-en").order(Order.NONE).apply(events);
 * sentiment.results().print();
 * sentiment.deadLetters().sinkTo(...);
 * }</pre>
 *
 * <p>Every event gives exactly one result or one dead letter. Events that are under way lie in the
 * state of Flink's async operator, so a restored job neither loses nor doubles them. Values of this
 * class do not change: each method gives a new one.
 *
 * @param <T> the record of a result
 */
public final class Streamformer<T extends SpecificRecordBase> {

    private final TaskRecords<T> records;
    private final String bundle;
    private final PipelineOptions pipeline;
    private final int capacity;
    private final Duration timeout;
    private final Order order;
    private final Priority priority;
    private final String uid;
    private final String cacheDirectory;

    private Streamformer(
            TaskRecords<T> records,
            String bundle,
            PipelineOptions pipeline,
            int capacity,
            Duration timeout,
            Order order,
            Priority priority,
            String uid,
            String cacheDirectory) {
        this.records = records;
        this.bundle = Objects.requireNonNull(bundle, "bundle");
        this.pipeline = Objects.requireNonNull(pipeline, "pipeline");
        this.capacity = capacity;
        this.timeout = timeout;
        this.order = order;
        this.priority = priority;
        this.uid = uid;
        this.cacheDirectory = cacheDirectory;
    }

    /**
     * Classification with the model of a bundle.
     *
     * @param bundle path of the bundle's folder in any file system that Flink knows, readable from
     *     every TaskManager
     */
    public static Streamformer<Classification> classify(String bundle) {
        return of(TaskRecords.Classifications.INSTANCE, bundle);
    }

    /**
     * Translation with the model of a bundle.
     *
     * @param bundle path of the bundle's folder in any file system that Flink knows, readable from
     *     every TaskManager
     */
    public static Streamformer<Translation> translate(String bundle) {
        return of(TaskRecords.Translations.INSTANCE, bundle);
    }

    /**
     * Entities of a text, with the token-classification model of a bundle.
     *
     * @param bundle path of the bundle's folder in any file system that Flink knows, readable from
     *     every TaskManager
     */
    public static Streamformer<Entities> entities(String bundle) {
        return of(TaskRecords.TaggedEntities.INSTANCE, bundle);
    }

    /**
     * Answers to questions out of their contexts, with the question-answering model of a bundle: an
     * event's text is the question and its text_pair the context.
     *
     * @param bundle path of the bundle's folder in any file system that Flink knows, readable from
     *     every TaskManager
     */
    public static Streamformer<Answer> answers(String bundle) {
        return of(TaskRecords.Answers.INSTANCE, bundle);
    }

    /**
     * Vectors of texts, with the feature-extraction model of a bundle.
     *
     * @param bundle path of the bundle's folder in any file system that Flink knows, readable from
     *     every TaskManager
     */
    public static Streamformer<Embedding> embeddings(String bundle) {
        return of(TaskRecords.Vectors.INSTANCE, bundle);
    }

    /**
     * Summaries, with the summarization model of a bundle.
     *
     * @param bundle path of the bundle's folder in any file system that Flink knows, readable from
     *     every TaskManager
     */
    public static Streamformer<GeneratedText> summarize(String bundle) {
        return of(TaskRecords.GeneratedTexts.SUMMARIES, bundle);
    }

    /**
     * Texts from texts, with the text2text-generation model of a bundle.
     *
     * @param bundle path of the bundle's folder in any file system that Flink knows, readable from
     *     every TaskManager
     */
    public static Streamformer<GeneratedText> generate(String bundle) {
        return of(TaskRecords.GeneratedTexts.TEXT2TEXT, bundle);
    }

    /**
     * Continuations of texts, with the text-generation model of a bundle.
     *
     * @param bundle path of the bundle's folder in any file system that Flink knows, readable from
     *     every TaskManager
     */
    public static Streamformer<GeneratedText> complete(String bundle) {
        return of(TaskRecords.GeneratedTexts.CONTINUATIONS, bundle);
    }

    static <T extends SpecificRecordBase> Streamformer<T> of(
            TaskRecords<T> records, String bundle) {
        return new Streamformer<>(
                records,
                bundle,
                PipelineOptions.defaults(),
                JobOptions.ASYNC_CAPACITY.defaultValue(),
                JobOptions.ASYNC_TIMEOUT.defaultValue(),
                JobOptions.ASYNC_ORDER.defaultValue(),
                JobOptions.PRIORITY.defaultValue(),
                records.task().id() + "-" + new Path(bundle).getName(),
                null);
    }

    /** How the model is run: variant, device, batches, decoding. */
    public Streamformer<T> pipeline(PipelineOptions value) {
        return new Streamformer<>(
                records, bundle, value, capacity, timeout, order, priority, uid, cacheDirectory);
    }

    /**
     * Most events under way in a subtask, at least rows per batch × (batches in flight + 1); more
     * give the batches more texts of similar length to choose from.
     */
    public Streamformer<T> capacity(int value) {
        return new Streamformer<>(
                records, bundle, pipeline, value, timeout, order, priority, uid, cacheDirectory);
    }

    /** Longest time an event may take; after it the event becomes a dead letter. */
    public Streamformer<T> timeout(Duration value) {
        if (value.toMillis() <= 0) {
            throw new IllegalArgumentException(
                    "The timeout of an event is at least 1 ms, seen " + value);
        }
        return new Streamformer<>(
                records, bundle, pipeline, capacity, value, order, priority, uid, cacheDirectory);
    }

    /** Which results keep the order of their events; the others leave when they are ready. */
    public Streamformer<T> order(Order value) {
        return new Streamformer<>(
                records, bundle, pipeline, capacity, timeout, value, priority, uid, cacheDirectory);
    }

    /** Who goes first among events of normal priority that share a model, other jobs' too. */
    public Streamformer<T> priority(Priority value) {
        return new Streamformer<>(
                records, bundle, pipeline, capacity, timeout, order, value, uid, cacheDirectory);
    }

    /** Start of the ids of this step's operators; a savepoint finds them by it. */
    public Streamformer<T> uid(String value) {
        return new Streamformer<>(
                records,
                bundle,
                pipeline,
                capacity,
                timeout,
                order,
                priority,
                value,
                cacheDirectory);
    }

    /**
     * Folder where TaskManagers keep copies of bundles that do not lie on their own disk; null for
     * one in their temporary folder.
     */
    public Streamformer<T> cacheDirectory(String value) {
        return new Streamformer<>(
                records, bundle, pipeline, capacity, timeout, order, priority, uid, value);
    }

    /**
     * Adds the model to a job whose events do not come from Kafka, or whose origin is no matter.
     *
     * @param events the events, of the type {@link AvroRecordTypeInfo}
     */
    public Inference<T> apply(DataStream<TextEvent> events) {
        if (order == Order.KEY) {
            throw new IllegalArgumentException(
                    "The order of keys is that of the keys of Kafka records, seen events without"
                            + " any: use applyTraced, or the order of all");
        }
        return applyTraced(
                events.map(
                                event -> new Traced<>(event, Origin.NONE),
                                RecordTypeInfo.traced(TextEvent.class))
                        .name(uid + "-events")
                        .uid(uid + "-events"));
    }

    /** Adds the model to a job; key, timestamp and headers of the events stay with the results. */
    public Inference<T> applyTraced(DataStream<Traced<TextEvent>> events) {
        return applyTraced(
                events,
                new PipelineModel.Lease(BundleCache.absolute(bundle), pipeline, cacheDirectory));
    }

    Inference<T> applyTraced(DataStream<Traced<TextEvent>> events, Model.Source model) {
        InferenceAsyncFunction<T> function =
                new InferenceAsyncFunction<>(model, records, capacity, order, priority);
        long millis = timeout.toMillis();
        var outcomes =
                switch (order) {
                    case ALL ->
                            AsyncDataStream.orderedWait(
                                    events, function, millis, TimeUnit.MILLISECONDS, capacity);
                    case NONE ->
                            AsyncDataStream.unorderedWait(
                                    events, function, millis, TimeUnit.MILLISECONDS, capacity);
                    case KEY ->
                            events.transform(
                                    uid,
                                    function.getProducedType(),
                                    new KeyOrderedFactory<>(function, millis, capacity));
                };
        return Inference.split(
                outcomes.name(uid).uid(uid), records.recordClass(), uid + "-outcomes");
    }
}
