package io.streamformer.job;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.streamformer.bundle.Bundle;
import io.streamformer.bundle.BundleReference;
import io.streamformer.bundle.Task;
import io.streamformer.flink.testing.HollowBundle;
import io.streamformer.job.kafka.KafkaOptions;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.PipelineOptions;
import org.apache.flink.core.execution.CheckpointingMode;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.graph.StreamGraph;
import org.apache.flink.streaming.api.graph.StreamNode;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class StreamformerJobTest {

    @TempDir private Path temp;
    private String sentiment;
    private String translation;

    @BeforeEach
    void writeBundles() {
        sentiment = HollowBundle.classifier(temp, "sentiment-en").toString();
        translation = HollowBundle.translator(temp, "translation-en-fr").toString();
    }

    @Test
    void eachBundleHasTheTopicOfItsTask() {
        assertThat(StreamformerJob.routes(options().build()))
                .containsExactly(
                        new BundleRoute(
                                "sentiment-en",
                                "7",
                                Task.TEXT_CLASSIFICATION,
                                reference(sentiment),
                                "text-sentiment"),
                        new BundleRoute(
                                "translation-en-fr",
                                "7",
                                Task.TRANSLATION,
                                reference(translation),
                                "text-translations"));
    }

    private static BundleReference reference(String folder) {
        return new BundleReference(folder, Bundle.hashOf(Path.of(folder)));
    }

    @Test
    void aBundleMayHaveATopicOfItsOwn() {
        JobOptions options = options().set("model.sentiment-en.results-topic", "moods").build();
        assertThat(StreamformerJob.routes(options))
                .extracting(BundleRoute::resultsTopic)
                .containsExactly("moods", "text-translations");
    }

    @Test
    void topicsAreDifferent() {
        String second = HollowBundle.classifier(temp, "sentiment-fr").toString();
        refused(
                options(sentiment, second),
                "text-sentiment is the topic of model.sentiment-en.results-topic and of");
        refused(
                options().set(KafkaOptions.INPUT_TOPIC, "text-dead-letters"),
                "is the topic of input.topic");
        refused(
                options().set(KafkaOptions.DEAD_LETTER_TOPIC, "text-translations"),
                "is the topic of dead-letters.topic");
    }

    @Test
    void namesOfBundlesAreDifferent() {
        String again =
                HollowBundle.classifier(temp.resolve("elsewhere"), "sentiment-en").toString();
        refused(options(sentiment, again), "are both bundles with the name sentiment-en");
    }

    @Test
    void aCapacityBelowTwoBatchesIsRefused() {
        refused(
                options().set("model.translation-en-fr.async.capacity", "63"),
                "model.translation-en-fr.async.capacity is 63. It must be at least 64");
    }

    @Test
    void anOptionOfABundleThatIsNotThereIsRefused() {
        refused(options().set("model.sentiment.variant", "int8"), "model.sentiment.variant");
        refused(options().set("model.sentiment-en.varian", "int8"), "model.sentiment-en.varian");
    }

    @ParameterizedTest
    @CsvSource({
        "token-classification, text-entities",
        "question-answering, text-answers",
        "feature-extraction, text-embeddings",
        "summarization, text-summaries",
        "text2text-generation, text-generations",
        "text-generation, text-generations",
    })
    void everyTaskHasATopic(String task, String topic) {
        String bundle = HollowBundle.ofTask(temp, "other", task).toString();
        assertThat(StreamformerJob.routes(options(bundle).build()))
                .extracting(BundleRoute::resultsTopic)
                .containsExactly(topic);
    }

    @Test
    void anOptionThatTheGraphHasNoInputForIsRefused() {
        refused(
                options().set("model.translation-en-fr.top-k", "5"),
                "model.top-k is 5, but the graph of translation-en-fr has no input top_k");
    }

    @Test
    void everyOperatorHasAStableIdAndNoTypeFallsToKryo() {
        Configuration strict = new Configuration();
        strict.set(PipelineOptions.AUTO_GENERATE_UIDS, false);
        StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment(strict);
        List<BundleRoute> routes =
                StreamformerJob.build(env, options().set(JobOptions.PARALLELISM, 2).build());
        assertThat(routes).hasSize(2);
        assertThat(env.getParallelism()).isEqualTo(2);
        assertThat(env.getCheckpointInterval()).isEqualTo(5_000);
        assertThat(env.getCheckpointConfig().getCheckpointingConsistencyMode())
                .isEqualTo(CheckpointingMode.EXACTLY_ONCE);
        assertThat(env.getConfiguration().get(PipelineOptions.GENERIC_TYPES)).isFalse();
        StreamGraph graph = env.getStreamGraph();
        assertThat(graph.getJobName()).isEqualTo("streamformer");
        Set<String> uids = new HashSet<>();
        for (StreamNode node : graph.getStreamNodes()) {
            assertThat(node.getTransformationUID()).as(node.getOperatorName()).isNotNull();
            assertThat(uids.add(node.getTransformationUID())).isTrue();
        }
        assertThat(uids)
                .contains("text-events", "sentiment-en", "translation-en-fr", "dead-letters");
    }

    private void refused(JobOptions.Builder builder, String message) {
        assertThatThrownBy(() -> StreamformerJob.routes(builder.build()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(message);
    }

    private JobOptions.Builder options(String... bundles) {
        return JobOptions.builder()
                .set(KafkaOptions.BOOTSTRAP_SERVERS, "localhost:1")
                .set(
                        JobOptions.BUNDLES,
                        bundles.length == 0 ? List.of(sentiment, translation) : List.of(bundles));
    }
}
