package io.streamformer.flink;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.streamformer.bundle.Manifest;
import io.streamformer.bundle.Task;
import io.streamformer.engine.Answer;
import io.streamformer.engine.TextInput;
import io.streamformer.flink.async.Model;
import io.streamformer.flink.state.AvroRecordTypeInfo;
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
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.apache.flink.api.common.functions.RuntimeContext;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.PipelineOptions;
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
                .hasStackTraceContaining("Bundle refused");
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
        return env.fromData(events, new AvroRecordTypeInfo<>(TextEvent.class)).uid("events");
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
