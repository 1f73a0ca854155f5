package io.streamformer.flink;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.streamformer.bundle.Manifest;
import io.streamformer.bundle.Task;
import io.streamformer.engine.Answer;
import io.streamformer.engine.TextInput;
import io.streamformer.flink.async.Model;
import io.streamformer.flink.state.RecordTypeInfo;
import io.streamformer.flink.testing.FakeModel;
import io.streamformer.flink.testing.HollowBundle;
import io.streamformer.schemas.Classification;
import io.streamformer.schemas.DeadLetter;
import io.streamformer.schemas.TextEvent;
import io.streamformer.schemas.Translation;
import io.streamformer.schemas.testing.Records;
import io.streamformer.task.TextClassification;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Collectors;
import org.apache.flink.api.common.functions.RuntimeContext;
import org.apache.flink.api.dag.Transformation;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.PipelineOptions;
import org.apache.flink.formats.avro.typeutils.AvroTypeInfo;
import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.Gauge;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.LocalStreamEnvironment;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class StreamformerTest {

    @TempDir private Path temp;

    @Test
    void aStreamWithoutKafkaGivesResultsAndDeadLetters() throws Exception {
        LocalStreamEnvironment env = environment();
        List<TextEvent> texts = new ArrayList<>();
        for (int i = 0; i < 100; i++) {
            texts.add(Records.event("id-" + i, i % 10 == 0 ? " " : "text " + i));
        }
        Inference<Classification> inference =
                Streamformer.classify("unused")
                        .capacity(8)
                        .uid("mood")
                        .applyTraced(
                                events(env, texts)
                                        .map(
                                                event -> new Traced<>(event, Origin.NONE),
                                                RecordTypeInfo.traced(TextEvent.class))
                                        .uid("traced"),
                                new EchoSource());
        DataStream<String> outcomes =
                inference
                        .results()
                        .map(Classification::getId)
                        .uid("a")
                        .union(inference.deadLetters().map(DeadLetter::getId).uid("b"));
        List<String> ids = new ArrayList<>();
        outcomes.executeAndCollect().forEachRemaining(ids::add);
        assertThat(ids)
                .containsExactlyInAnyOrderElementsOf(texts.stream().map(TextEvent::getId).toList());
    }

    @Test
    void realModelsAnswerBothTasks() throws Exception {
        LocalStreamEnvironment env = environment();
        DataStream<TextEvent> events =
                events(
                        env,
                        List.of(
                                Records.event("a", "Hello!"),
                                Records.event("b", "OK"),
                                Records.event("c", "no"),
                                Records.event("d", "\u0000 [SEP] </s>"),
                                Records.event("e", "\n")));
        Inference<Classification> sentiment =
                Streamformer.classify(
                                io.streamformer.testing.TestBundle.resource("tiny-sentiment")
                                        .toString())
                        .apply(events);
        Inference<Translation> translation =
                Streamformer.translate(
                                io.streamformer.testing.TestBundle.resource("tiny-translation")
                                        .toString())
                        .order(Order.NONE)
                        .apply(events);
        DataStream<String> outcomes =
                sentiment
                        .results()
                        .map(result -> result.getId() + " " + result.getLabel())
                        .union(
                                translation
                                        .results()
                                        .map(result -> result.getId() + ": " + result.getText()),
                                sentiment.deadLetters().map(StreamformerTest::told),
                                translation.deadLetters().map(StreamformerTest::told));
        List<String> told = new ArrayList<>();
        outcomes.executeAndCollect().forEachRemaining(told::add);
        assertThat(told)
                .hasSize(10)
                .contains("a negative", "b positive", "c negative", "a: some two", "b: ")
                .contains("e text-classification validate", "e translation validate");
    }

    private static String told(DeadLetter letter) {
        return letter.getId() + " " + letter.getTask() + " " + letter.getStage();
    }

    @Test
    void aWrongBundleEndsTheJobWithoutRestarts() {
        LocalStreamEnvironment env = environment();
        String translator = HollowBundle.translator(temp, "translation-en-fr").toString();
        var results =
                Streamformer.classify(translator)
                        .apply(events(env, List.of(Records.event("a", "b"))))
                        .results();
        assertThatThrownBy(() -> results.executeAndCollect().forEachRemaining(result -> {}))
                .hasStackTraceContaining("Invalid bundle. Rule: ");
    }

    @Test
    void streamsMayBeAskedForTwice() {
        LocalStreamEnvironment env = environment();
        Inference<Classification> mood =
                Streamformer.classify(HollowBundle.classifier(temp, "moods").toString())
                        .apply(events(env, List.of(Records.event("a", "b"))));
        assertThat(mood.results()).isSameAs(mood.results());
        assertThat(mood.deadLetters()).isSameAs(mood.deadLetters());
    }

    @Test
    void anUpgradeOfTheModelKeepsTheOperatorsId() {
        assertThat(ids("/models/sentiment-en-1")).isEqualTo(ids("s3://models/sentiment-en-2"));
    }

    private static Set<String> ids(String bundle) {
        LocalStreamEnvironment env = environment();
        Streamformer.classify(bundle)
                .applyTraced(
                        events(env, List.of(Records.event("a", "b")))
                                .map(
                                        event -> new Traced<>(event, Origin.NONE),
                                        RecordTypeInfo.traced(TextEvent.class))
                                .uid("traced"),
                        new EchoSource());
        return env.getTransformations().stream()
                .map(Transformation::getUid)
                .collect(Collectors.toSet());
    }

    @Test
    void aSecondStepOfATaskNeedsAnId() {
        LocalStreamEnvironment env = environment();
        DataStream<TextEvent> events = events(env, List.of(Records.event("a", "b")));
        String moods = HollowBundle.classifier(temp, "moods").toString();
        String topics = HollowBundle.classifier(temp, "topics").toString();
        Streamformer.classify(moods).apply(events);
        assertThatThrownBy(() -> Streamformer.classify(topics).apply(events))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("two steps with the operator id text-classification")
                .hasMessageContaining(".uid(");
        Streamformer.classify(topics).uid("topics").apply(events);
    }

    @Test
    void prometheusCanShowEveryMetric() throws Exception {
        Configuration configuration = new Configuration();
        configuration.setString(
                "metrics.reporter.test.factory.class", PrometheusNames.class.getName());
        LocalStreamEnvironment env =
                StreamExecutionEnvironment.createLocalEnvironment(1, configuration);
        Inference<Classification> sentiment =
                Streamformer.classify(
                                io.streamformer.testing.TestBundle.resource("tiny-sentiment")
                                        .toString())
                        .apply(
                                events(
                                        env,
                                        List.of(
                                                Records.event("a", "Hello!"),
                                                Records.event("b", " "))));
        sentiment.results().executeAndCollect().forEachRemaining(result -> {});

        Map<String, Set<String>> labels = new HashMap<>();
        for (PrometheusNames.Sample sample : PrometheusNames.all()) {
            assertThat(labels.computeIfAbsent(sample.name(), name -> sample.labels().keySet()))
                    .as("Prometheus takes one set of labels for " + sample.name())
                    .isEqualTo(sample.labels().keySet());
            if (sample.metric() instanceof Gauge<?> gauge) {
                assertThat(gauge.getValue()).as(sample.name()).isInstanceOf(Number.class);
            }
        }
        String prefix = "flink_taskmanager_job_task_operator_streamformer_";
        assertThat(labels).containsKey(prefix + "session_kind_failures");
        assertThat(sample(prefix + "session_model_version_variant_info", "<variant>", "int8"))
                .extracting(PrometheusNames.Sample::labels)
                .satisfies(
                        info ->
                                assertThat(info)
                                        .containsEntry("<model>", "tiny-sentiment")
                                        .containsKey("<version>"));
        for (String stage : DeadLetters.STAGES) {
            Counter counter =
                    (Counter) sample(prefix + "stage_deadLetters", "<stage>", stage).metric();
            assertThat(counter.getCount()).as(stage).isEqualTo(stage.equals("validate") ? 1 : 0);
        }
    }

    private static PrometheusNames.Sample sample(String name, String label, String value) {
        return PrometheusNames.all().stream()
                .filter(one -> one.name().equals(name))
                .filter(one -> value.equals(one.labels().get(label)))
                .findAny()
                .orElseThrow();
    }

    @Test
    void theTimeoutIsChecked() {
        assertThatThrownBy(() -> Streamformer.classify("x").timeout(Duration.ZERO))
                .hasMessageContaining("model.async.timeout is 0 ms. It must be at least 1 ms.");
    }

    private static LocalStreamEnvironment environment() {
        Configuration configuration = new Configuration();
        configuration.set(PipelineOptions.GENERIC_TYPES, false);
        return StreamExecutionEnvironment.createLocalEnvironment(2, configuration);
    }

    private static DataStream<TextEvent> events(
            StreamExecutionEnvironment env, List<TextEvent> events) {
        return env.fromData(events, new AvroTypeInfo<>(TextEvent.class)).uid("events");
    }

    /** A model that answers on a thread of its own. */
    private record EchoSource() implements Model.Source {
        @Override
        public Model open(RuntimeContext context) {
            return new Echo();
        }
    }

    private static final class Echo implements Model {
        @Override
        public Manifest manifest() {
            return FakeModel.manifest(Task.TEXT_CLASSIFICATION);
        }

        @Override
        public int minimumCapacity() {
            return 2;
        }

        @Override
        public CompletableFuture<Answer> submit(TextInput input, Duration timeout) {
            return CompletableFuture.supplyAsync(
                    () ->
                            new Answer(
                                    new TextClassification.Classification(
                                            input.text(), 1f, Map.of(input.text(), 1f), 3, false),
                                    new Answer.ServedModel(manifest(), "int8", "ab12")));
        }

        @Override
        public void close() {}
    }
}
