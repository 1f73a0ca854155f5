package io.streamformer.flink.async;

import io.streamformer.flink.Outcome;
import io.streamformer.flink.StepOptions;
import io.streamformer.flink.Traced;
import java.lang.reflect.Field;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.apache.avro.specific.SpecificRecordBase;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.runtime.execution.SuppressRestartsException;
import org.apache.flink.runtime.state.StateSnapshotContext;
import org.apache.flink.streaming.api.datastream.AsyncDataStream.OutputMode;
import org.apache.flink.streaming.api.operators.StreamOperator;
import org.apache.flink.streaming.api.operators.StreamOperatorParameters;
import org.apache.flink.streaming.api.operators.async.AsyncWaitOperator;
import org.apache.flink.streaming.runtime.streamrecord.StreamElement;
import org.apache.flink.streaming.runtime.streamrecord.StreamElementSerializer;

/**
 * Makes Flink's async operator, unordered, with events in its state in the order of their offsets.
 * Flink writes them as its hash set has them, so that after a restore a later event of a key could
 * be submitted before an earlier one.
 */
final class KeyOrderedFactory<T extends SpecificRecordBase> extends AsyncStepFactory<T> {

    private static final long serialVersionUID = 1L;

    KeyOrderedFactory(InferenceAsyncFunction<T> function) {
        super(function, OutputMode.UNORDERED);
        stateName(AsyncWaitOperator.class); // refuses before the job is submitted
    }

    /**
     * The name under which Flink's operator keeps its events. It is private there: a copy of it
     * would sort an empty list unnoticed once Flink renames it.
     */
    static String stateName(Class<?> operator) {
        try {
            Field name = operator.getDeclaredField("STATE_NAME");
            name.setAccessible(true);
            return (String) name.get(null);
        } catch (ReflectiveOperationException | ClassCastException e) {
            throw new SuppressRestartsException(
                    new UnsupportedOperationException(
                            "This release of Flink keeps the events under way elsewhere: "
                                    + operator.getName()
                                    + " has no STATE_NAME. Set "
                                    + StepOptions.ASYNC_ORDER
                                    + " to all or none, or use the Flink release that Streamformer"
                                    + " was built with.",
                            e));
        }
    }

    @Override
    @SuppressWarnings({"unchecked", "TypeParameterUnusedInFormals"}) // as in the class above
    public <O extends StreamOperator<Outcome<T>>> O createStreamOperator(
            StreamOperatorParameters<Outcome<T>> parameters) {
        return (O) new Sorted<>(this, parameters);
    }

    @Override
    @SuppressWarnings("rawtypes") // as in the class above
    public Class<? extends StreamOperator> getStreamOperatorClass(ClassLoader classLoader) {
        return Sorted.class;
    }

    private static final class Sorted<T extends SpecificRecordBase> extends Operator<T> {

        private static final long serialVersionUID = 1L;

        private final String stateName = stateName(AsyncWaitOperator.class);

        /** Events of one key come from one partition. */
        private static final Comparator<StreamElement> BY_OFFSET =
                Comparator.comparingLong(
                        element -> ((Traced<?>) element.asRecord().getValue()).origin().offset());

        private Sorted(
                KeyOrderedFactory<T> factory, StreamOperatorParameters<Outcome<T>> parameters) {
            super(factory, parameters);
        }

        @Override
        public void snapshotState(StateSnapshotContext context) throws Exception {
            super.snapshotState(context);
            ListState<StreamElement> state =
                    getOperatorStateBackend()
                            .getListState(
                                    new ListStateDescriptor<>(
                                            stateName,
                                            new StreamElementSerializer<>(
                                                    getOperatorConfig()
                                                            .getTypeSerializerIn(
                                                                    0, getUserCodeClassloader()))));
            List<StreamElement> elements = new ArrayList<>();
            state.get().forEach(elements::add);
            sortBetweenWatermarks(elements);
            state.update(elements);
        }

        /** Watermarks stay where they are: no event passes one. */
        private static void sortBetweenWatermarks(List<StreamElement> elements) {
            int start = 0;
            for (int i = 0; i <= elements.size(); i++) {
                if (i == elements.size() || !elements.get(i).isRecord()) {
                    elements.subList(start, i).sort(BY_OFFSET);
                    start = i + 1;
                }
            }
        }
    }
}
