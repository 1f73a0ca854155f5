package io.streamformer.job.kafka;

import static io.streamformer.options.Option.Scope.JOB;
import static io.streamformer.options.OptionType.BOOLEAN;
import static io.streamformer.options.OptionType.BYTES;
import static io.streamformer.options.OptionType.DURATION;
import static io.streamformer.options.OptionType.MAP;
import static io.streamformer.options.OptionType.STRING;
import static io.streamformer.options.OptionType.oneOf;

import io.streamformer.job.format.InputFormat;
import io.streamformer.options.Option;
import java.time.Duration;
import java.util.Map;
import org.apache.flink.annotation.Public;
import org.apache.flink.connector.base.DeliveryGuarantee;

/** The job's topics and its Kafka clients. */
@Public
public final class KafkaOptions {

    /** Room for a dead letter's reason and stack trace. */
    private static final long SMALLEST_RECORD = 50_000;

    public static final Option<String> BOOTSTRAP_SERVERS =
            Option.named("bootstrap-servers", JOB, STRING)
                    .help("Kafka's brokers as host:port, with commas between. Required.");

    public static final Option<Map<String, String>> KAFKA_PROPERTIES =
            Option.named("kafka.properties", JOB, MAP)
                    .defaultsTo(Map.of())
                    .help(
                            "Settings of every Kafka client of the job, such as TLS or SASL, as"
                                    + " name:value with commas between. A value with a comma goes in"
                                    + " double quotes; --kafka.properties.NAME VALUE sets one. Keep"
                                    + " secrets in files: see cluster.md.");

    public static final Option<String> INPUT_TOPIC =
            Option.named("input.topic", JOB, STRING)
                    .defaultsTo("text-events")
                    .help("Topic of the events.");

    public static final Option<InputFormat> INPUT_FORMAT =
            Option.named("input.format", JOB, oneOf(InputFormat.class))
                    .defaultsTo(InputFormat.AVRO)
                    .help(
                            "avro for TextEvent records; text if the value is the text itself in"
                                    + " UTF-8.");

    public static final Option<String> INPUT_GROUP_ID =
            Option.named("input.group-id", JOB, STRING)
                    .defaultsTo("streamformer")
                    .help(
                            "Consumer group whose offsets are committed. Give each job that reads"
                                    + " the topic its own.");

    public static final Option<InputStart> INPUT_START =
            Option.named("input.start", JOB, oneOf(InputStart.class))
                    .defaultsTo(InputStart.COMMITTED)
                    .help(
                            "Where a job begins that restores no savepoint or checkpoint. committed"
                                    + " is earliest for a new group and refuses a group that has"
                                    + " offsets, because events that were under way would be lost;"
                                    + " resume-committed continues at the group's offsets and skips"
                                    + " those events.");

    public static final Option<Boolean> INPUT_BOUNDED =
            Option.named("input.bounded", JOB, BOOLEAN)
                    .defaultsTo(false)
                    .help(
                            "true ends the job at the offsets that are the latest when it starts,"
                                    + " for a backfill or a test.");

    public static final Option<String> DEAD_LETTER_TOPIC =
            Option.named("dead-letters.topic", JOB, STRING)
                    .defaultsTo("text-dead-letters")
                    .help("Topic of events without a result.");

    public static final Option<DeliveryGuarantee> DELIVERY_GUARANTEE =
            Option.named("sink.delivery-guarantee", JOB, oneOf(DeliveryGuarantee.class))
                    .defaultsTo(DeliveryGuarantee.EXACTLY_ONCE)
                    .help(
                            "exactly-once shows results to read_committed readers at each"
                                    + " checkpoint. at-least-once shows them at once and may repeat"
                                    + " some after a failure. none may lose some.");

    public static final Option<String> TRANSACTION_PREFIX =
            Option.named("sink.transactional-id-prefix", JOB, STRING)
                    .help(
                            "Start of the transactional ids, unique among all jobs of the Kafka"
                                    + " cluster. Default: made of the group id and the topics."
                                    + " The start is refused while another job uses it.");

    public static final Option<Duration> TRANSACTION_TIMEOUT =
            Option.named("sink.transaction-timeout", JOB, DURATION)
                    .defaultsTo(Duration.ofMinutes(15))
                    .help(
                            "Must exceed the longest outage you want to survive without data loss."
                                    + " Beyond 15 min, raise the broker's"
                                    + " transaction.max.timeout.ms first.");

    public static final Option<Long> MAX_RECORD_BYTES =
            Option.named("sink.max-record-bytes", JOB, BYTES)
                    .defaultsTo(1_000_000L)
                    .check("at least 50000 bytes", value -> value >= SMALLEST_RECORD)
                    .help(
                            "Largest record that is written; a smaller max.message.bytes of the"
                                    + " topic holds too. A larger result becomes a dead letter; a"
                                    + " larger dead letter loses its value. Raise both together.");

    public static final Option<SinkTimestamp> SINK_TIMESTAMP =
            Option.named("sink.timestamp", JOB, oneOf(SinkTimestamp.class))
                    .defaultsTo(SinkTimestamp.EVENT)
                    .help(
                            "event gives results and dead letters the timestamp of their event. now"
                                    + " gives them the time of writing: use it for a backfill of old"
                                    + " events, whose results the topic's retention would delete.");

    private KafkaOptions() {}
}
