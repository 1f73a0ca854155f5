package io.streamformer.job;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.streamformer.batch.Priority;
import io.streamformer.bundle.DecodingOptions;
import io.streamformer.engine.ModelOptions;
import io.streamformer.flink.Order;
import io.streamformer.flink.StepOptions;
import io.streamformer.inference.Device;
import io.streamformer.job.format.InputFormat;
import io.streamformer.job.kafka.InputStart;
import io.streamformer.job.kafka.KafkaOptions;
import io.streamformer.job.kafka.SinkTimestamp;
import io.streamformer.options.Option;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class JobOptionsTest {

    private static final String[] LEAST = {"--bootstrap-servers", "b:9092", "--bundles", "/m/a"};

    @Test
    void defaultsAreFrozen() {
        Map<String, String> defaults = new LinkedHashMap<>();
        JobOptions.ALL.forEach(option -> defaults.put(option.key(), OptionsText.defaultOf(option)));
        assertThat(defaults)
                .containsExactly(
                        Map.entry("bootstrap-servers", ""),
                        Map.entry("kafka.properties", ""),
                        Map.entry("input.topic", "text-events"),
                        Map.entry("input.format", "avro"),
                        Map.entry("input.group-id", "streamformer"),
                        Map.entry("input.start", "committed"),
                        Map.entry("input.bounded", "false"),
                        Map.entry("dead-letters.topic", "text-dead-letters"),
                        Map.entry("sink.delivery-guarantee", "exactly-once"),
                        Map.entry("sink.transactional-id-prefix", ""),
                        Map.entry("sink.transaction-timeout", "15 min"),
                        Map.entry("sink.max-record-bytes", "1000000 bytes"),
                        Map.entry("sink.timestamp", "event"),
                        Map.entry("bundles", ""),
                        Map.entry("model.results-topic", ""),
                        Map.entry("checkpoint.interval", "5 s"),
                        Map.entry("checkpoint.directory", ""),
                        Map.entry("parallelism", ""),
                        Map.entry("job.name", "streamformer"),
                        Map.entry("bundle-cache", ""),
                        Map.entry("model.priority", "normal"),
                        Map.entry("model.async.capacity", ""),
                        Map.entry("model.async.capacity-bytes", "64 mb"),
                        Map.entry("model.async.timeout", "5 min"),
                        Map.entry("model.async.order", "all"),
                        Map.entry("model.variant", ""),
                        Map.entry("model.device", "auto"),
                        Map.entry("model.batch.max-rows", "32"),
                        Map.entry("model.batch.max-tokens", "4096"),
                        Map.entry("model.batch.max-delay", "3 ms"),
                        Map.entry("model.batch.max-time", "0 ms"),
                        Map.entry("model.run-timeout", "2 min"),
                        Map.entry("model.run-threads", "0"),
                        Map.entry("model.intra-op-threads", "1"),
                        Map.entry("model.cache.max-bytes", "0 bytes"),
                        Map.entry("model.provider-options", ""),
                        Map.entry("model.num-beams", ""),
                        Map.entry("model.num-return-sequences", "1"),
                        Map.entry("model.length-penalty", ""),
                        Map.entry("model.min-new-tokens", ""),
                        Map.entry("model.max-new-tokens", ""),
                        Map.entry("model.repetition-penalty", ""),
                        Map.entry("model.no-repeat-ngram-size", ""),
                        Map.entry("model.suppress-tokens", ""),
                        Map.entry("model.temperature", ""),
                        Map.entry("model.top-k", ""),
                        Map.entry("model.top-p", ""));
    }

    @Test
    void everyOptionCanBeSetToSomethingElse() {
        Map<Option<?>, Object> values = new LinkedHashMap<>();
        values.put(KafkaOptions.BOOTSTRAP_SERVERS, "x:1,y:2");
        values.put(KafkaOptions.KAFKA_PROPERTIES, Map.of("security.protocol", "SSL"));
        values.put(KafkaOptions.INPUT_TOPIC, "in");
        values.put(KafkaOptions.INPUT_FORMAT, InputFormat.TEXT);
        values.put(KafkaOptions.INPUT_GROUP_ID, "group");
        values.put(KafkaOptions.INPUT_START, InputStart.EARLIEST);
        values.put(KafkaOptions.INPUT_BOUNDED, true);
        values.put(JobOptions.BUNDLES, List.of("/m/a", "s3://m/b"));
        values.put(StepOptions.BUNDLE_CACHE, "/cache");
        values.put(JobOptions.RESULTS_TOPIC, "out");
        values.put(ModelOptions.VARIANT, "int8");
        values.put(ModelOptions.DEVICE, Device.cuda(1));
        values.put(ModelOptions.MAX_ROWS, 8);
        values.put(ModelOptions.MAX_TOKENS, 512);
        values.put(ModelOptions.MAX_DELAY, Duration.ofMillis(7));
        values.put(ModelOptions.MAX_TIME, Duration.ofMillis(70));
        values.put(ModelOptions.RUN_TIMEOUT, Duration.ofSeconds(70));
        values.put(ModelOptions.RUN_THREADS, 3);
        values.put(ModelOptions.INTRA_OP_THREADS, 2);
        values.put(DecodingOptions.NUM_BEAMS, 4);
        values.put(DecodingOptions.NUM_RETURN_SEQUENCES, 2);
        values.put(DecodingOptions.LENGTH_PENALTY, 0.5f);
        values.put(DecodingOptions.MIN_NEW_TOKENS, 5);
        values.put(DecodingOptions.MAX_NEW_TOKENS, 99);
        values.put(DecodingOptions.REPETITION_PENALTY, 1.5f);
        values.put(DecodingOptions.NO_REPEAT_NGRAM_SIZE, 3);
        values.put(DecodingOptions.SUPPRESS_TOKENS, List.of(7, 8));
        values.put(DecodingOptions.TEMPERATURE, 0.5f);
        values.put(DecodingOptions.TOP_K, 50);
        values.put(DecodingOptions.TOP_P, 0.75f);
        values.put(ModelOptions.CACHE_MAX_BYTES, 64L << 20);
        values.put(ModelOptions.PROVIDER_OPTIONS, Map.of("gpu_mem_limit", "2147483648"));
        values.put(StepOptions.PRIORITY, Priority.HIGH);
        values.put(StepOptions.ASYNC_CAPACITY, 64);
        values.put(StepOptions.ASYNC_CAPACITY_BYTES, 1L << 20);
        values.put(StepOptions.ASYNC_TIMEOUT, Duration.ofSeconds(9));
        values.put(StepOptions.ASYNC_ORDER, Order.KEY);
        values.put(KafkaOptions.DEAD_LETTER_TOPIC, "dead");
        values.put(KafkaOptions.DELIVERY_GUARANTEE, DeliveryGuarantee.AT_LEAST_ONCE);
        values.put(KafkaOptions.TRANSACTION_PREFIX, "mine");
        values.put(KafkaOptions.TRANSACTION_TIMEOUT, Duration.ofMinutes(1));
        values.put(KafkaOptions.MAX_RECORD_BYTES, 2L << 20);
        values.put(KafkaOptions.SINK_TIMESTAMP, SinkTimestamp.NOW);
        values.put(JobOptions.CHECKPOINT_INTERVAL, Duration.ofSeconds(1));
        values.put(JobOptions.CHECKPOINT_DIRECTORY, "file:///checkpoints");
        values.put(JobOptions.PARALLELISM, 3);
        values.put(JobOptions.JOB_NAME, "job");
        assertThat(values.keySet()).containsExactlyInAnyOrderElementsOf(JobOptions.ALL);

        JobOptions.Builder builder = JobOptions.builder();
        List<String> args = new ArrayList<>();
        values.forEach(
                (option, value) -> {
                    assertThat(value).as(option.key()).isNotEqualTo(option.defaultValue());
                    set(builder, option, value);
                });
        JobOptions options = builder.build();
        options.given().forEach((key, value) -> args.addAll(List.of("--" + key, value)));
        JobOptions parsed = JobOptions.fromArgs(args.toArray(new String[0]));
        values.forEach(
                (option, value) -> {
                    assertThat((Object) options.get(option)).isEqualTo(value);
                    assertThat((Object) parsed.get(option)).as(option.key()).isEqualTo(value);
                });
    }

    @SuppressWarnings("unchecked") // the table above pairs each option with its own type
    private static <T> void set(JobOptions.Builder builder, Option<T> option, Object value) {
        builder.set(option, (T) value);
    }

    @Test
    void anOptionOfOneBundleHoldsForItAlone() {
        JobOptions options = parse("--model.variant", "fp32", "--model.a.b-1.variant", "int8");
        assertThat(options.forBundle("a.b-1").get(ModelOptions.VARIANT)).isEqualTo("int8");
        assertThat(options.forBundle("a").get(ModelOptions.VARIANT)).isEqualTo("fp32");
        assertThat(options.get(ModelOptions.VARIANT)).isEqualTo("fp32");
    }

    @Test
    void bundlesMayBeRepeated() {
        assertThat(parse("--bundles", "/m/b").get(JobOptions.BUNDLES))
                .containsExactly("/m/a", "/m/b");
    }

    @Test
    void kafkaPropertiesMayBeSetOneByOne() {
        assertThat(
                        parse("--kafka.properties.sasl.mechanism", "PLAIN")
                                .get(KafkaOptions.KAFKA_PROPERTIES))
                .containsEntry("sasl.mechanism", "PLAIN");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--input.topics x | Unknown option input.topics. Did you mean input.topic?",
                "--input.format xml | input.format",
                "--input.bounded maybe | input.bounded",
                "--model.batch.max-rows many | model.batch.max-rows",
                "--model.batch.max-rows 0 | model.batch.max-rows is 0. It must be at least 1.",
                "--model.device gpu | model.device is 'gpu'. Give one of: auto, cpu, cuda:N",
                "--model.async.timeout 0 | It must be at least 1 ms",
                "--checkpoint.interval 0 | It must be at least 10 ms",
                "--checkpoint.interval 20min | It must be more than checkpoint.interval",
                "--parallelism 0 | parallelism is 0. It must be at least 1.",
                "--sink.max-record-bytes 10b | It must be at least 50000 bytes",
                "--input.topic a --input.topic b | Only --bundles may be repeated",
                "--job.name | Write --job.name VALUE",
                "--job.name --parallelism 2 | Write --job.name VALUE",
                "--streamformer.job.name a --job.name b | job.name is given with and without",
                "--input.bounded true --input.start latest | where a bounded job ends",
            })
    void aWrongOptionIsNamedInOneLine(String args, String message) {
        assertThatThrownBy(() -> parse(args.split(" ", -1)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(message)
                .message()
                .doesNotContain("\n");
    }

    @Test
    void valuesOfKafkaPropertiesMayHoldAnySign() {
        String jaas = "org.Module required username=\"a\" password=\"b,c:d=e\";";
        assertThat(
                        parse(
                                        "--kafka.properties",
                                        "security.protocol:SASL_SSL",
                                        "--kafka.properties.sasl.jaas.config",
                                        jaas)
                                .get(KafkaOptions.KAFKA_PROPERTIES))
                .containsExactlyInAnyOrderEntriesOf(
                        Map.of("security.protocol", "SASL_SSL", "sasl.jaas.config", jaas));
    }

    @Test
    void aWrongValueOfOneBundleIsNamedByItsOwnKey() {
        assertThatThrownBy(() -> parse("--model.a.num-beams", "many").forBundle("a"))
                .hasMessageContaining("model.a.num-beams is 'many'");
    }

    @Test
    void anArgumentWithoutAKeyIsNotShown() {
        assertThatThrownBy(
                        () ->
                                parse(
                                        "--kafka.properties.ssl.key.password",
                                        "hidden",
                                        "hidden-too",
                                        "--input.topic",
                                        "x"))
                .hasMessage("Argument 7 has no -- in front. Write --KEY VALUE.");
    }

    @Test
    void valuesMayBeginWithAHyphen() {
        assertThat(parse("--kafka.properties.sasl.password", "-a b ").given())
                .containsEntry("kafka.properties.sasl.password", "-a b ");
    }

    @Test
    void secretsAreNotPartOfAnError() {
        assertThatThrownBy(() -> parse("--kafka.properties", "password=hidden,more"))
                .hasMessageContaining("kafka.properties cannot be read")
                .hasNoCause()
                .message()
                .doesNotContain("hidden");
    }

    @Test
    void anySignOfAPropertySurvivesTheBuilder() {
        Map<String, String> properties =
                Map.of(
                        "sasl.jaas.config",
                        "org.Module required username=\"a\" password=\"b,c:d=e;'f \";",
                        "config.providers.file.param.x",
                        "${file:/run/secrets/kafka.properties:password}",
                        "blank",
                        " x ");
        JobOptions.Builder builder =
                JobOptions.builder()
                        .set(KafkaOptions.BOOTSTRAP_SERVERS, "b:1")
                        .set(JobOptions.BUNDLES, List.of("/m/a"))
                        .set(KafkaOptions.KAFKA_PROPERTIES, properties);
        assertThat(builder.build().get(KafkaOptions.KAFKA_PROPERTIES)).isEqualTo(properties);
        JobOptions again = JobOptions.of(builder.build().given());
        assertThat(again.get(KafkaOptions.KAFKA_PROPERTIES)).isEqualTo(properties);
        assertThat(again.forBundle("a").get(KafkaOptions.KAFKA_PROPERTIES)).isEqualTo(properties);
    }

    @Test
    void providerOptionsOfOneBundleMayBeSetOneByOne() {
        assertThat(
                        parse(
                                        "--model.provider-options.gpu_mem_limit",
                                        "1",
                                        "--model.a.provider-options.enable_cuda_graph",
                                        "0")
                                .forBundle("a")
                                .get(ModelOptions.PROVIDER_OPTIONS))
                .containsExactlyInAnyOrderEntriesOf(
                        Map.of("gpu_mem_limit", "1", "enable_cuda_graph", "0"));
    }

    @Test
    void optionsFitIntoFlinksConfiguration() {
        Configuration configuration = new Configuration();
        configuration.setString("streamformer.bootstrap-servers", "b:9092");
        configuration.setString("streamformer.bundles", "/m/a;/m/b");
        configuration.setString("streamformer.model.a.num-beams", "2");
        configuration.setString("streamformer.kafka.properties.sasl.mechanism", "PLAIN");
        configuration.setString("parallelism.default", "7");
        configuration.setString("input.topic", "not ours");
        JobOptions options = JobOptions.of(configuration, "--bundles", "/m/c");
        assertThat(options.get(JobOptions.BUNDLES)).containsExactly("/m/c");
        assertThat(options.get(KafkaOptions.INPUT_TOPIC)).isEqualTo("text-events");
        assertThat(options.forBundle("a").get(DecodingOptions.NUM_BEAMS)).isEqualTo(2);
        assertThat(options.get(KafkaOptions.KAFKA_PROPERTIES))
                .containsEntry("sasl.mechanism", "PLAIN");
        assertThat(
                        JobOptions.of(
                                        configuration.toMap().entrySet().stream()
                                                .filter(
                                                        entry ->
                                                                entry.getKey()
                                                                        .startsWith(
                                                                                "streamformer."))
                                                .collect(
                                                        Collectors.toMap(
                                                                Map.Entry::getKey,
                                                                Map.Entry::getValue)))
                                .get(JobOptions.BUNDLES))
                .containsExactly("/m/a", "/m/b");
    }

    @Test
    void whatIsRequiredIsAskedFor() {
        assertThatThrownBy(() -> JobOptions.fromArgs("--bundles", "/m/a"))
                .hasMessageContaining("Give --bootstrap-servers");
        assertThatThrownBy(() -> JobOptions.fromArgs("--bootstrap-servers", "b:1"))
                .hasMessageContaining("Give --bundles");
    }

    @Test
    void helpNamesEveryOption() {
        for (Option<?> option : JobOptions.ALL) {
            assertThat(JobOptions.help()).contains("--" + option.key());
        }
        assertThat(OptionsText.markdown()).doesNotContain("&lt;", "&gt;", "&amp;");
    }

    /** After a change of an option, copy {@code OptionsText.markdown()} into the page. */
    @Test
    void theDocsTableIsTheOneOfTheCode() throws IOException {
        String page = Files.readString(Path.of("../docs", "options.md"));
        assertThat(page).contains(OptionsText.markdown());
    }

    private static JobOptions parse(String... more) {
        String[] args = Arrays.copyOf(LEAST, LEAST.length + more.length);
        System.arraycopy(more, 0, args, LEAST.length, more.length);
        return JobOptions.fromArgs(args);
    }
}
