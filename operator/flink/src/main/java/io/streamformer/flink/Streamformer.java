package io.streamformer.flink;

import io.streamformer.batch.Priority;
import io.streamformer.bundle.BundleReference;
import io.streamformer.engine.ModelOptions;
import io.streamformer.flink.async.AsyncStepFactory;
import io.streamformer.flink.async.InferenceAsyncFunction;
import io.streamformer.flink.async.Model;
import io.streamformer.flink.async.PipelineModel;
import io.streamformer.flink.bundle.BundleFiles;
import io.streamformer.flink.task.AnswerRecords;
import io.streamformer.flink.task.ClassificationRecords;
import io.streamformer.flink.task.EmbeddingRecords;
import io.streamformer.flink.task.EntityRecords;
import io.streamformer.flink.task.GeneratedTextRecords;
import io.streamformer.flink.task.TaskRecords;
import io.streamformer.flink.task.TranslationRecords;
import io.streamformer.options.Option;
import io.streamformer.options.Options;
import io.streamformer.schemas.Answer;
import io.streamformer.schemas.Classification;
import io.streamformer.schemas.Embedding;
import io.streamformer.schemas.Entities;
import io.streamformer.schemas.GeneratedText;
import io.streamformer.schemas.TextEvent;
import io.streamformer.schemas.Translation;
import java.time.Duration;
import java.util.Objects;
import org.apache.avro.specific.SpecificRecordBase;
import org.apache.flink.annotation.Internal;
import org.apache.flink.annotation.Public;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

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
 * <p>Every event gives exactly one result or one dead letter. Events that are under way are in the
 * state of Flink's async operator, so a restored job loses and doubles none. Values of this class
 * do not change: each method gives a new one.
 *
 * @param <T> the record of a result
 */
@Public
public final class Streamformer<T extends SpecificRecordBase> {

    static {
        // Before any class of the runtime is loaded.
        RuntimeJar.require();
    }

    private final TaskRecords<T> records;
    private final String bundle;

    /** Null until the step is added to a job: then the bundle's hash is read. */
    private final BundleReference reference;

    private final String uid;
    private final Options options;

    private Streamformer(
            TaskRecords<T> records,
            String bundle,
            BundleReference reference,
            String uid,
            Options options) {
        this.records = records;
        this.bundle = Objects.requireNonNull(bundle, "bundle");
        this.reference = reference;
        this.uid = uid;
        this.options = options;
    }

    /**
     * Classification with the model of a bundle.
     *
     * @param bundle path of the bundle's folder in any file system that Flink knows, readable from
     *     every TaskManager
     */
    public static Streamformer<Classification> classify(String bundle) {
        return of(ClassificationRecords.INSTANCE, bundle);
    }

    /**
     * Translation with the model of a bundle.
     *
     * @param bundle path of the bundle's folder in any file system that Flink knows, readable from
     *     every TaskManager
     */
    public static Streamformer<Translation> translate(String bundle) {
        return of(TranslationRecords.INSTANCE, bundle);
    }

    /**
     * Entities of a text, with the token-classification model of a bundle.
     *
     * @param bundle path of the bundle's folder in any file system that Flink knows, readable from
     *     every TaskManager
     */
    public static Streamformer<Entities> entities(String bundle) {
        return of(EntityRecords.INSTANCE, bundle);
    }

    /**
     * Answers to questions out of their contexts, with the question-answering model of a bundle: an
     * event's text is the question and its text_pair the context.
     *
     * @param bundle path of the bundle's folder in any file system that Flink knows, readable from
     *     every TaskManager
     */
    public static Streamformer<Answer> answers(String bundle) {
        return of(AnswerRecords.INSTANCE, bundle);
    }

    /**
     * Vectors of texts, with the feature-extraction model of a bundle.
     *
     * @param bundle path of the bundle's folder in any file system that Flink knows, readable from
     *     every TaskManager
     */
    public static Streamformer<Embedding> embeddings(String bundle) {
        return of(EmbeddingRecords.INSTANCE, bundle);
    }

    /**
     * Summaries, with the summarization model of a bundle.
     *
     * @param bundle path of the bundle's folder in any file system that Flink knows, readable from
     *     every TaskManager
     */
    public static Streamformer<GeneratedText> summarize(String bundle) {
        return of(GeneratedTextRecords.SUMMARIES, bundle);
    }

    /**
     * Texts from texts, with the text2text-generation model of a bundle.
     *
     * @param bundle path of the bundle's folder in any file system that Flink knows, readable from
     *     every TaskManager
     */
    public static Streamformer<GeneratedText> generate(String bundle) {
        return of(GeneratedTextRecords.TEXT2TEXT, bundle);
    }

    /**
     * Continuations of texts, with the text-generation model of a bundle.
     *
     * @param bundle path of the bundle's folder in any file system that Flink knows, readable from
     *     every TaskManager
     */
    public static Streamformer<GeneratedText> complete(String bundle) {
        return of(GeneratedTextRecords.CONTINUATIONS, bundle);
    }

    /** A step that gives the records of any task. */
    @Internal
    public static <T extends SpecificRecordBase> Streamformer<T> of(
            TaskRecords<T> records, String bundle) {
        // Not by the bundle's folder: an upgrade of the model keeps the operator's state.
        return new Streamformer<>(records, bundle, null, records.task().id(), Options.DEFAULTS);
    }

    /** A step with a bundle whose hash is known already. */
    @Internal
    public Streamformer<T> pinnedTo(BundleReference value) {
        return new Streamformer<>(records, value.uri(), value, uid, options);
    }

    /**
     * Sets an option: one of {@link io.streamformer.engine.ModelOptions}, {@link
     * io.streamformer.bundle.DecodingOptions} or {@link StepOptions} that a job may set for a
     * bundle.
     *
     * @throws IllegalArgumentException if the value breaks the option's rule, or the option is one
     *     of the ready-made job alone
     */
    public <V> Streamformer<T> with(Option<V> option, V value) {
        if (option.scope() == Option.Scope.JOB && option != StepOptions.BUNDLE_CACHE) {
            throw new IllegalArgumentException(
                    option
                            + " is an option of StreamformerJob. Set it on the source, the sink or"
                            + " the environment of your job.");
        }
        return with(options.with(option, value));
    }

    /** Sets all options. */
    @Internal
    public Streamformer<T> with(Options values) {
        return new Streamformer<>(records, bundle, reference, uid, values);
    }

    /**
     * Maximum events under way in a subtask; should be rows per batch × (batches in flight + 1).
     * Higher values give batches more texts of similar length.
     */
    public Streamformer<T> capacity(int value) {
        return with(StepOptions.ASYNC_CAPACITY, value);
    }

    /**
     * Longest time a run may work on an event, after which the event becomes a dead letter. Waiting
     * for the run does not count.
     */
    public Streamformer<T> timeout(Duration value) {
        return with(StepOptions.ASYNC_TIMEOUT, value);
    }

    /** Which results keep the order of their events; the others leave when they are ready. */
    public Streamformer<T> order(Order value) {
        return with(StepOptions.ASYNC_ORDER, value);
    }

    /** Who goes first among events that set no priority and share a model, other jobs' too. */
    public Streamformer<T> priority(Priority value) {
        return with(StepOptions.PRIORITY, value);
    }

    /**
     * Start of the ids of this step's operators; a savepoint finds them by it. Default: the task,
     * such as text-classification, so a second step of the same task needs one of its own.
     */
    public Streamformer<T> uid(String value) {
        return new Streamformer<>(records, bundle, reference, value, options);
    }

    /**
     * Folder where TaskManagers keep copies of bundles that are not on their own disk; null for one
     * in their temporary folder.
     */
    public Streamformer<T> cacheDirectory(String value) {
        return with(StepOptions.BUNDLE_CACHE, value);
    }

    /**
     * Adds the model to a job whose events do not come from Kafka, or whose origin is no matter.
     *
     * @param events the events; Flink finds their Avro type by itself
     */
    public Inference<T> apply(DataStream<TextEvent> events) {
        if (options.get(StepOptions.ASYNC_ORDER) == Order.KEY) {
            throw new IllegalArgumentException(
                    "Order.KEY needs Kafka keys, but these events have none. Use applyTraced(), or"
                            + " Order.ALL.");
        }
        return applyTraced(Inference.traced(events, uid + "-events"));
    }

    private void refuseSecond(StreamExecutionEnvironment env) {
        if (env.getTransformations().stream().anyMatch(other -> uid.equals(other.getUid()))) {
            throw new IllegalArgumentException(
                    "The job has two steps with the operator id "
                            + uid
                            + ". Give one of them another, with .uid(\"…\"), and keep it: Flink finds"
                            + " the step's state by it.");
        }
    }

    /** Adds the model to a job; key, timestamp and headers of the events stay with the results. */
    public Inference<T> applyTraced(DataStream<Traced<TextEvent>> events) {
        return applyTraced(
                events,
                new PipelineModel.Lease(
                        reference == null
                                ? BundleFiles.of(bundle).describe().reference()
                                : reference,
                        options.only(ModelOptions.ALL),
                        options.get(StepOptions.BUNDLE_CACHE)));
    }

    Inference<T> applyTraced(DataStream<Traced<TextEvent>> events, Model.Source model) {
        refuseSecond(events.getExecutionEnvironment());
        InferenceAsyncFunction<T> function =
                new InferenceAsyncFunction<>(model, records, options.only(StepOptions.ALL));
        var outcomes =
                events.transform(uid, function.getProducedType(), AsyncStepFactory.of(function));
        return Inference.split(
                outcomes.name(uid).uid(uid), records.recordClass(), uid + "-outcomes");
    }
}
