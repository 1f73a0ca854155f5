package io.streamformer.job.kafka;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.time.Duration;
import java.util.Collection;
import java.util.Properties;
import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaCommittable;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.sink.KafkaWriterState;
import org.apache.flink.connector.kafka.sink.TwoPhaseCommittingStatefulSink.PrecommittingStatefulSinkWriter;
import org.apache.flink.connector.kafka.sink.internal.TransactionAbortStrategyImpl;
import org.apache.flink.connector.kafka.sink.internal.TransactionNamingStrategyImpl;
import org.apache.kafka.clients.admin.Admin;

/**
 * Opens exactly-once writers of flink-connector-kafka 5.0.0-2.2 and closes the admin client with
 * which they look for earlier transactions. The connector never closes it: six threads, 24 file
 * handles and the job's class loader stay behind for each writer. The client is a private field,
 * and a writer that fails while it starts is never handed out; so the writer is made by reflection,
 * as {@code KafkaSink.restoreWriter} makes it.
 */
final class ExactlyOnceWriters {

    /** The name is put together here, since the job's jar has the connector under another name. */
    private static final String WRITER =
            KafkaSink.class.getPackageName() + ".ExactlyOnceKafkaWriter";

    private ExactlyOnceWriters() {}

    /**
     * A writer that has aborted what an earlier run of the sink left open.
     *
     * @throws IllegalStateException if another release of the connector is on the class path
     */
    static <T> PrecommittingStatefulSinkWriter<T, KafkaWriterState, KafkaCommittable> open(
            Properties properties,
            String transactionalIdPrefix,
            KafkaRecordSerializationSchema<T> serializer,
            WriterInitContext context,
            Collection<KafkaWriterState> states)
            throws IOException {
        try {
            Class<?> type =
                    Class.forName(
                            WRITER, true, TransactionNamingStrategyImpl.class.getClassLoader());
            Constructor<?> constructor = type.getDeclaredConstructors()[0];
            constructor.setAccessible(true);
            Method initialize = type.getMethod("initialize");
            initialize.setAccessible(true);
            Field admin = type.getDeclaredField("adminClient");
            admin.setAccessible(true);
            Object writer =
                    constructor.newInstance(
                            DeliveryGuarantee.EXACTLY_ONCE,
                            properties,
                            transactionalIdPrefix,
                            context,
                            serializer,
                            context.asSerializationSchemaInitializationContext(),
                            TransactionAbortStrategyImpl.LISTING,
                            TransactionNamingStrategyImpl.POOLING,
                            states);
            try {
                initialize.invoke(writer);
            } finally {
                close((Admin) admin.get(writer));
            }
            @SuppressWarnings("unchecked") // as KafkaSink.restoreWriter says
            var opened =
                    (PrecommittingStatefulSinkWriter<T, KafkaWriterState, KafkaCommittable>) writer;
            return opened;
        } catch (InvocationTargetException e) {
            throw rethrown(e.getCause());
        } catch (ReflectiveOperationException | IllegalArgumentException e) {
            throw new IllegalStateException(
                    "The Kafka connector is not flink-connector-kafka 5.0.0-2.2, with which this"
                            + " job was built: "
                            + e
                            + ". Remove the other release from Flink's lib folder.",
                    e);
        }
    }

    private static void close(Admin admin) {
        if (admin != null) {
            admin.close(Duration.ZERO);
        }
    }

    private static RuntimeException rethrown(Throwable failure) throws IOException {
        if (failure instanceof IOException e) {
            throw e;
        }
        if (failure instanceof Error e) {
            throw e;
        }
        return failure instanceof RuntimeException e
                ? e
                : new UncheckedIOException(new IOException(failure));
    }
}
