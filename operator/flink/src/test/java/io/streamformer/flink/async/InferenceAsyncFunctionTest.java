package io.streamformer.flink.async;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.streamformer.batch.Priority;
import io.streamformer.bundle.BundleReference;
import io.streamformer.engine.InferenceException;
import io.streamformer.engine.ModelOptions;
import io.streamformer.engine.TextInput;
import io.streamformer.flink.Order;
import io.streamformer.flink.Origin;
import io.streamformer.flink.Outcome;
import io.streamformer.flink.StepOptions;
import io.streamformer.flink.Traced;
import io.streamformer.flink.state.RecordTypeInfo;
import io.streamformer.flink.task.ClassificationRecords;
import io.streamformer.flink.task.TaskRecords;
import io.streamformer.flink.task.TranslationRecords;
import io.streamformer.flink.testing.FakeModel;
import io.streamformer.flink.testing.Origins;
import io.streamformer.options.Options;
import io.streamformer.schemas.Classification;
import io.streamformer.schemas.DeadLetter;
import io.streamformer.schemas.RecordCodec;
import io.streamformer.schemas.TextEvent;
import io.streamformer.schemas.Translation;
import io.streamformer.schemas.testing.Records;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.apache.avro.specific.SpecificRecordBase;
import org.apache.flink.api.common.functions.DefaultOpenContext;
import org.apache.flink.api.common.serialization.SerializerConfigImpl;
import org.apache.flink.runtime.checkpoint.OperatorSubtaskState;
import org.apache.flink.runtime.execution.SuppressRestartsException;
import org.apache.flink.streaming.api.operators.async.AsyncWaitOperator;
import org.apache.flink.streaming.runtime.tasks.StreamTaskActionExecutor;
import org.apache.flink.streaming.runtime.tasks.mailbox.MailboxExecutorImpl;
import org.apache.flink.streaming.runtime.tasks.mailbox.TaskMailbox;
import org.apache.flink.streaming.util.MockStreamingRuntimeContext;
import org.apache.flink.streaming.util.OneInputStreamOperatorTestHarness;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

class InferenceAsyncFunctionTest {

    private static final Duration TIMEOUT = Duration.ofSeconds(1);

    private final FakeModel model = FakeModel.classifier();
    private long offset;

    @Test
    void orderedResultsKeepTheOrderOfTheEvents() throws Exception {
        try (Harness<Classification> harness = classify(Order.ALL)) {
            harness.send("a", "b", "c");
            model.answer(2);
            model.answer(0);
            assertThat(harness.ids()).containsExactly("a");
            model.answer(1);
            assertThat(harness.ids()).containsExactly("a", "b", "c");
        }
    }

    @Test
    void unorderedResultsLeaveWhenTheyAreReady() throws Exception {
        try (Harness<Classification> harness = classify(Order.NONE)) {
            harness.send("a", "b");
            model.answer(1);
            assertThat(harness.ids()).containsExactly("b");
            model.answer(0);
            assertThat(harness.ids()).containsExactly("b", "a");
        }
    }

    @Test
    void resultsOfOneKeyKeepTheirOrderWhileOtherKeysPass() throws Exception {
        try (Harness<Classification> harness = classify(Order.KEY)) {
            harness.send(keyed("a1", "a"), keyed("a2", "a"), keyed("b1", "b"), keyed("x", null));
            model.answer(1);
            assertThat(harness.ids()).isEmpty();
            model.answer(3);
            model.answer(2);
            assertThat(harness.ids()).containsExactly("x", "b1");
            model.answer(0);
            assertThat(harness.ids()).containsExactly("x", "b1", "a1", "a2");
        }
    }

    @Test
    void aLateEventHoldsUpItsKeyNoLonger() throws Exception {
        try (Harness<Classification> harness = classify(Order.KEY)) {
            harness.send(keyed("late", "a"), keyed("early", "a"));
            model.answer(1);
            model.futures.get(0).completeExceptionally(late());
            assertThat(harness.ids()).containsExactly("late", "early");
            assertThat(harness.failure(0).value().getStage()).isEqualTo("timeout");
            assertThat(harness.success(1).value().getId()).isEqualTo("early");
        }
    }

    @Test
    void aRestoredJobSubmitsTheEventsOfAKeyInTheirOrder() throws Exception {
        List<String> ids = IntStream.range(0, 64).mapToObj(Integer::toString).toList();
        OperatorSubtaskState state;
        try (Harness<Classification> harness =
                new Harness<>(ClassificationRecords.INSTANCE, Order.KEY, 64, null)) {
            for (String id : ids) {
                harness.send(keyed(id, Integer.parseInt(id) % 2 == 0 ? "even" : "odd"));
            }
            // Held back behind earlier ones, or on its way out: each comes again in its place.
            model.answer(62);
            for (int i = 1; i < 32; i += 2) {
                model.answer(i);
            }
            state = harness.flink.snapshot(1, 1);
        }
        FakeModel again = FakeModel.classifier();
        try (Harness<Classification> harness =
                new Harness<>(ClassificationRecords.INSTANCE, Order.KEY, 64, state)) {
            assertThat(again.inputs).extracting(TextInput::text).containsExactlyElementsOf(ids);
            again.answerAll();
            assertThat(harness.ids()).containsExactlyInAnyOrderElementsOf(ids);
        }
    }

    @Test
    void anEventThatSaysNothingHasThePriorityOfTheRoute() throws Exception {
        try (Harness<Classification> harness = classify(Order.ALL)) {
            harness.send(new Traced<>(Records.event("a", "x"), Origin.NONE));
            harness.send(new Traced<>(Records.fullEvent(), Origin.NONE));
            assertThat(model.inputs)
                    .extracting(TextInput::priority)
                    .containsExactly(Priority.LOW, Priority.HIGH);
        }
    }

    private Traced<TextEvent> keyed(String id, String key) {
        byte[] bytes = key == null ? null : key.getBytes(StandardCharsets.UTF_8);
        Origin origin = new Origin("text-events", 0, offset++, 0, bytes, new byte[] {1}, List.of());
        return new Traced<>(Records.event(id, id), origin);
    }

    @Test
    void aResultCarriesWhatTheEventCameWith() throws Exception {
        try (Harness<Classification> harness = classify(Order.ALL)) {
            Origin origin = Origins.origin(new byte[] {1}, new byte[] {2});
            harness.send(new Traced<>(Records.fullEvent(), origin));
            model.answerAll();
            Traced<Classification> result = harness.success(0);
            assertThat(result.origin()).isEqualTo(origin);
            assertThat(model.inputs.get(0))
                    .isEqualTo(
                            new TextInput(
                                    "Ça marche 👍", "second", "fr", "en", 9, 7L, Priority.HIGH));
            assertThat(result.value())
                    .isEqualTo(
                            new Classification(
                                    "id-1",
                                    "Ça marche 👍",
                                    0.75f,
                                    Map.of("Ça marche 👍", 0.75f),
                                    Records.MODEL,
                                    false,
                                    3,
                                    Records.TIME,
                                    Map.of("user", "42"),
                                    "single_label_classification"));
        }
    }

    @Test
    void anEventWithoutATimeHasThatOfItsRecord() throws Exception {
        try (Harness<Classification> harness = classify(Order.ALL)) {
            harness.send(new Traced<>(Records.event("a", "x"), Origins.origin(null, null)));
            harness.send(new Traced<>(Records.event("b", "x"), Origin.NONE));
            model.answerAll();
            assertThat(harness.success(0).value().getEventTimestamp()).isEqualTo(Records.TIME);
            assertThat(harness.success(1).value().getEventTimestamp()).isEqualTo(Instant.EPOCH);
        }
    }

    @Test
    void aBlankTextIsADeadLetterThatCostsNoRun() throws Exception {
        try (Harness<Classification> harness = classify(Order.ALL)) {
            harness.send(new Traced<>(Records.event("a", " \n\t"), Origin.NONE));
            harness.send(new Traced<>(Records.event("b", ""), Origin.NONE));
            harness.send(new Traced<>(Records.event("c", null), Origin.NONE));
            harness.send(new Traced<>(Records.event(null, "text"), Origin.NONE));
            harness.send(new Traced<>(new TextEvent(), Origin.NONE));
            assertThat(model.inputs).isEmpty();
            for (int i = 0; i < 5; i++) {
                assertThat(harness.failure(i).value().getStage()).isEqualTo("validate");
            }
            assertThat(harness.failure(2).value().getValue()).isNull();
        }
    }

    @Test
    void aTextThatFailsIsADeadLetterAndItsNeighboursGoOn() throws Exception {
        try (Harness<Classification> harness = classify(Order.ALL)) {
            byte[] value = {9, 8};
            harness.send(new Traced<>(Records.event("a", "x"), Origins.origin(null, value)));
            harness.send("b");
            model.futures
                    .get(0)
                    .completeExceptionally(
                            new InferenceException(
                                    InferenceException.Stage.TOKENIZE,
                                    "A rule, and a value.",
                                    new IllegalStateException("why")));
            model.answer(1);
            assertThat(harness.ids()).containsExactly("a", "b");
            Traced<DeadLetter> letter = harness.failure(0);
            assertThat(letter.value().getStage()).isEqualTo("tokenize");
            assertThat(letter.value().getReason()).isEqualTo("A rule, and a value.");
            assertThat(letter.value().getException()).isEqualTo("java.lang.IllegalStateException");
            assertThat(letter.value().getTask()).isEqualTo("text-classification");
            assertThat(letter.value().getValue()).isEqualTo(ByteBuffer.wrap(value));
        }
    }

    @Test
    void anEventWithoutKafkaIsWrittenAsItWouldHaveCome() throws Exception {
        try (Harness<Classification> harness = classify(Order.ALL)) {
            harness.send(new Traced<>(Records.event("a", " "), Origin.NONE));
            byte[] value = harness.failure(0).value().getValue().array();
            assertThat(RecordCodec.of(TextEvent.class).decode(value))
                    .isEqualTo(Records.event("a", " "));
        }
    }

    @Test
    void aLateEventIsADeadLetter() throws Exception {
        try (Harness<Classification> harness = classify(Order.ALL)) {
            harness.send("late", "early");
            model.answer(1);
            model.futures.get(0).completeExceptionally(late());
            assertThat(harness.ids()).containsExactly("late", "early");
            assertThat(harness.failure(0).value().getStage()).isEqualTo("timeout");
            assertThat(harness.failure(0).value().getReason()).isEqualTo("late");
            assertThat(model.timeouts).containsOnly(TIMEOUT);
            assertThat(harness.flink.wasFailedExternally()).isFalse();
        }
    }

    private static InferenceException late() {
        return new InferenceException(InferenceException.Stage.TIMEOUT, "late", null);
    }

    @Test
    void aBacklogAtASlowModelLosesNothing() throws Exception {
        int events = 2_000;
        for (Order order : Order.values()) {
            FakeModel slow = FakeModel.classifier();
            try (Harness<Classification> harness =
                    new Harness<>(ClassificationRecords.INSTANCE, order, events, null)) {
                for (int i = 0; i < events; i++) {
                    harness.send(keyed("id" + i, i % 2 == 0 ? "even" : "odd"));
                }
                // One answer in each of its timeouts.
                for (int i = 0; i < events; i++) {
                    harness.flink.setProcessingTime(TIMEOUT.toMillis() * (i + 1));
                    slow.answer(i);
                }
                assertThat(harness.ids()).hasSize(events).doesNotHaveDuplicates();
                assertThat(harness.flink.extractOutputValues())
                        .allMatch(outcome -> outcome instanceof Outcome.Success);
            }
        }
    }

    @Test
    void aDeadlineThatNeverComesIsNone() throws Exception {
        try (Harness<Classification> harness = classify(Order.ALL)) {
            for (Instant deadline : List.of(Instant.MAX, Instant.ofEpochMilli(Long.MAX_VALUE))) {
                TextEvent event = Records.event("far", "x");
                event.setDeadline(deadline);
                harness.send(new Traced<>(event, Origins.origin(null, null)));
            }
            TextEvent past = Records.event("past", "x");
            past.setDeadline(Instant.MIN);
            harness.send(new Traced<>(past, Origin.NONE));
            model.answerAll();
            assertThat(harness.ids()).containsExactly("far", "far", "past");
            assertThat(harness.failure(2).value().getStage()).isEqualTo("timeout");
            assertThat(harness.failure(2).value().getValue()).isNull();
        }
    }

    @Test
    @Timeout(30)
    void anEventIsADeadLetterAtItsDeadlineAndLeavesTheQueue() throws Exception {
        try (Harness<Classification> harness = classify(Order.ALL)) {
            TextEvent soon = Records.event("soon", "x");
            soon.setDeadline(Instant.now().plusMillis(50));
            TextEvent past = Records.event("past", "x");
            past.setDeadline(Instant.now().minusMillis(1));
            harness.send(new Traced<>(soon, Origin.NONE));
            harness.send(new Traced<>(past, Origin.NONE));

            assertThat(model.futures).as("what came too late is not queued").hasSize(1);
            assertThat(model.futures.get(0)).failsWithin(Duration.ofSeconds(10));
            // What depends on the future runs on the timer's thread, a moment later.
            while (harness.ids().size() < 2) {
                Thread.onSpinWait();
            }
            assertThat(harness.ids()).containsExactly("soon", "past");
            for (int i = 0; i < 2; i++) {
                assertThat(harness.failure(i).value().getStage()).isEqualTo("timeout");
                assertThat(harness.failure(i).value().getReason()).contains("the event's deadline");
            }
        }
    }

    @Test
    void anEngineFailureFailsTheJob() throws Exception {
        try (Harness<Classification> harness = classify(Order.ALL)) {
            harness.flink.getEnvironment().setExpectedExternalFailureCause(Throwable.class);
            harness.send("a");
            model.futures.get(0).completeExceptionally(new IllegalStateException("device lost"));
            harness.work();
            assertThat(harness.flink.getEnvironment().getActualExternalFailureCause())
                    .hasValueSatisfying(
                            cause -> assertThat(cause).hasStackTraceContaining("device lost"));
        }
    }

    @Test
    void anErrorWhileAnAnswerBecomesARecordFailsTheJob() throws Exception {
        for (Order order : Order.values()) {
            FakeModel fake = FakeModel.classifier();
            TextEvent broken =
                    new TextEvent() {
                        @Override
                        public Map<String, String> getAttributes() {
                            throw new NoClassDefFoundError("org/example/Missing");
                        }
                    };
            broken.setId("a");
            broken.setText("a");
            try (Harness<Classification> harness = classify(order)) {
                harness.flink.getEnvironment().setExpectedExternalFailureCause(Throwable.class);
                harness.send(new Traced<>(broken, Origin.NONE));
                fake.answer(0);
                harness.work();
                assertThat(harness.flink.getEnvironment().getActualExternalFailureCause())
                        .hasValueSatisfying(
                                cause ->
                                        assertThat(cause)
                                                .hasStackTraceContaining("org/example/Missing"));
            }
        }
    }

    @Test
    void aRestoredJobNeitherLosesNorDoubles() throws Exception {
        OperatorSubtaskState state;
        List<String> emitted;
        try (Harness<Classification> harness = classify(Order.ALL)) {
            harness.send("a", "b", "c");
            model.answer(0);
            emitted = new ArrayList<>(harness.ids());
            state = harness.flink.snapshot(1, 1);
            // Answered after the checkpoint: the failure takes it back.
            model.answer(1);
        }
        FakeModel again = FakeModel.classifier();
        try (Harness<Classification> harness =
                new Harness<>(ClassificationRecords.INSTANCE, Order.ALL, 4, state)) {
            assertThat(again.inputs).extracting(input -> input.text()).containsExactly("b", "c");
            again.answerAll();
            emitted.addAll(harness.ids());
        }
        assertThat(emitted).containsExactly("a", "b", "c");
    }

    @Test
    void theLeaseIsGivenBackAndNothingIsEmittedAfterwards() throws Exception {
        Harness<Classification> harness = classify(Order.ALL);
        harness.send("a");
        harness.close();
        assertThat(model.opened).isEqualTo(1);
        assertThat(model.closed).isEqualTo(1);
        assertThat(model.futures.get(0)).isCancelled();
    }

    @Test
    void aCapacityThatStarvesTheDeviceIsNoReasonToFail() throws Exception {
        model.minimumCapacity = 64;
        try (Harness<Classification> harness = classify(Order.ALL)) {
            harness.send("a");
            model.answerAll();
            assertThat(harness.ids()).containsExactly("a");
        }
    }

    @Test
    void theDefaultCapacityKeepsAnyNumberOfCoresBusy() {
        Model.Source large =
                new PipelineModel.Lease(
                        BUNDLE, Options.DEFAULTS.with(ModelOptions.RUN_THREADS, 32), null);
        assertThat(capacity(large, Options.DEFAULTS)).isEqualTo(32 * 33);
        Model.Source small =
                new PipelineModel.Lease(
                        BUNDLE, Options.DEFAULTS.with(ModelOptions.RUN_THREADS, 2), null);
        assertThat(capacity(small, Options.DEFAULTS)).isEqualTo(1024);
        assertThat(capacity(large, Options.DEFAULTS.with(StepOptions.ASYNC_CAPACITY, 100)))
                .isEqualTo(100);
    }

    private static final BundleReference BUNDLE =
            new BundleReference("file:///bundle", "0".repeat(64));

    private static int capacity(Model.Source source, Options options) {
        return new InferenceAsyncFunction<>(source, ClassificationRecords.INSTANCE, options)
                .capacity();
    }

    @Test
    @Timeout(30)
    void longTextsWaitForThoseUnderWay() throws Exception {
        for (Order order : Order.values()) {
            FakeModel fake = FakeModel.classifier();
            Options options =
                    Options.DEFAULTS
                            .with(StepOptions.ASYNC_ORDER, order)
                            .with(StepOptions.ASYNC_CAPACITY_BYTES, 1_000L);
            Thread task = Thread.currentThread();
            AtomicInteger submitted = new AtomicInteger();
            try (Harness<Classification> harness =
                    new Harness<>(ClassificationRecords.INSTANCE, options, null)) {
                harness.send("a".repeat(300), "b".repeat(300));
                Thread answers =
                        new Thread(
                                () -> {
                                    // Flink waits in steps of a second.
                                    while (task.getState() != Thread.State.TIMED_WAITING) {
                                        Thread.onSpinWait();
                                    }
                                    submitted.set(fake.inputs.size());
                                    fake.answer(1);
                                });
                answers.start();
                harness.send("c");
                answers.join();
                assertThat(submitted).as("before an answer gave bytes back").hasValue(2);
                assertThat(fake.inputs).hasSize(3);
                fake.answerAll();
                assertThat(harness.ids()).hasSize(3);
            }
        }
    }

    @Test
    void aBundleOfAnotherTaskIsRefusedForGood() {
        FakeModel classifier = FakeModel.classifier();
        assertThatThrownBy(() -> translate().close())
                .isInstanceOf(SuppressRestartsException.class)
                .cause()
                .hasMessageContaining("gives Translation records has the task translation")
                .hasMessageContaining("sentiment-en has the task text-classification");
        assertThat(classifier.closed).isEqualTo(1);
    }

    @Test
    void aTranslationNamesItsLanguages() throws Exception {
        FakeModel translator = FakeModel.translator();
        try (Harness<Translation> harness = translate()) {
            harness.send(new Traced<>(to(null), Origin.NONE));
            harness.send(new Traced<>(to("fr-CA"), Origin.NONE));
            translator.answerAll();
            for (int i = 0; i < 2; i++) {
                Translation translation = harness.success(i).value();
                assertThat(translation.getText()).isEqualTo("fr:Hello");
                assertThat(translation.getSourceLanguage()).isEqualTo("en");
                assertThat(translation.getLanguage()).isEqualTo("fr");
            }
        }
    }

    @Test
    void aLanguageThatTheModelDoesNotWriteIsADeadLetter() throws Exception {
        FakeModel.translator();
        try (Harness<Translation> harness = translate()) {
            for (String language : List.of("de", "", "no_such-tag!", "f")) {
                harness.send(new Traced<>(to(language), Origin.NONE));
            }
            for (int i = 0; i < 4; i++) {
                assertThat(harness.failure(i).value().getStage()).isEqualTo("validate");
                assertThat(harness.failure(i).value().getReason()).contains("[fr]");
            }
        }
    }

    @Test
    void aPairIsNotTranslated() throws Exception {
        FakeModel.translator();
        try (Harness<Translation> harness = translate()) {
            TextEvent pair = to(null);
            pair.setTextPair("second");
            harness.send(new Traced<>(pair, Origin.NONE));
            assertThat(harness.failure(0).value().getReason()).contains("text_pair");
        }
    }

    @Test
    void aLibraryThatIsMissingEndsTheJobAtOnce() {
        Model.Source broken =
                context -> {
                    throw new NoClassDefFoundError("ai/onnxruntime/OrtEnvironment");
                };
        InferenceAsyncFunction<Classification> function =
                new InferenceAsyncFunction<>(
                        broken, ClassificationRecords.INSTANCE, Options.DEFAULTS);
        function.setRuntimeContext(new MockStreamingRuntimeContext(1, 0));
        assertThatThrownBy(() -> function.open(DefaultOpenContext.INSTANCE))
                .isInstanceOf(SuppressRestartsException.class)
                .cause()
                .hasMessageContaining("ai/onnxruntime/OrtEnvironment")
                .hasMessageContaining("Flink's lib folder");
    }

    @Test
    void theOrderOfKeysNeedsTheStateThatFlinkKeeps() {
        assertThat(KeyOrderedFactory.stateName(AsyncWaitOperator.class)).isNotBlank();
        assertThatThrownBy(() -> KeyOrderedFactory.stateName(String.class))
                .isInstanceOf(SuppressRestartsException.class)
                .cause()
                .hasMessageContaining("java.lang.String has no STATE_NAME")
                .hasMessageContaining("model.async.order");
    }

    private static TextEvent to(String language) {
        TextEvent event = Records.event("id", "Hello");
        event.setTargetLanguage(language);
        return event;
    }

    private static Harness<Classification> classify(Order order) throws Exception {
        return new Harness<>(ClassificationRecords.INSTANCE, order, 4, null);
    }

    private static Harness<Translation> translate() throws Exception {
        return new Harness<>(TranslationRecords.INSTANCE, Order.ALL, 4, null);
    }

    /** Flink's harness around the function, with a mailbox that works on demand. */
    private static final class Harness<T extends SpecificRecordBase> implements AutoCloseable {

        final OneInputStreamOperatorTestHarness<Traced<TextEvent>, Outcome<T>> flink;

        Harness(TaskRecords<T> records, Order order, int capacity, OperatorSubtaskState state)
                throws Exception {
            this(
                    records,
                    Options.DEFAULTS
                            .with(StepOptions.ASYNC_ORDER, order)
                            .with(StepOptions.ASYNC_CAPACITY, capacity)
                            .with(StepOptions.ASYNC_TIMEOUT, TIMEOUT)
                            .with(StepOptions.PRIORITY, Priority.LOW),
                    state);
        }

        Harness(TaskRecords<T> records, Options options, OperatorSubtaskState state)
                throws Exception {
            SerializerConfigImpl config = new SerializerConfigImpl();
            InferenceAsyncFunction<T> function =
                    new InferenceAsyncFunction<>(new FakeModel.Current(), records, options);
            flink =
                    new OneInputStreamOperatorTestHarness<>(
                            AsyncStepFactory.of(function),
                            RecordTypeInfo.traced(TextEvent.class).createSerializer(config));
            flink.setup(RecordTypeInfo.outcome(records.recordClass()).createSerializer(config));
            try {
                flink.initializeState(state);
                flink.open();
            } catch (Exception e) {
                flink.close();
                throw e;
            }
        }

        void send(String... texts) throws Exception {
            for (String text : texts) {
                send(new Traced<>(Records.event(text, text), Origin.NONE));
            }
        }

        @SafeVarargs
        final void send(Traced<TextEvent>... events) throws Exception {
            for (Traced<TextEvent> event : events) {
                flink.processElement(event, 0);
            }
        }

        void work() {
            MailboxExecutorImpl mailbox =
                    new MailboxExecutorImpl(
                            flink.getTaskMailbox(),
                            TaskMailbox.MIN_PRIORITY,
                            StreamTaskActionExecutor.IMMEDIATE);
            while (mailbox.tryYield()) {
                // Each turn runs one letter.
            }
        }

        List<String> ids() {
            work();
            return flink.extractOutputValues().stream().map(Harness::id).toList();
        }

        private static String id(Outcome<?> outcome) {
            return outcome instanceof Outcome.Failure<?> failure
                    ? failure.deadLetter().value().getId()
                    : (String)
                            ((SpecificRecordBase) ((Outcome.Success<?>) outcome).result().value())
                                    .get("id");
        }

        Traced<T> success(int index) {
            work();
            return ((Outcome.Success<T>) flink.extractOutputValues().get(index)).result();
        }

        Traced<DeadLetter> failure(int index) {
            work();
            return ((Outcome.Failure<T>) flink.extractOutputValues().get(index)).deadLetter();
        }

        @Override
        public void close() {
            try {
                flink.close();
            } catch (Exception e) {
                throw new AssertionError(e);
            }
        }
    }
}
