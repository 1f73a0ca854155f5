package io.streamformer.options;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

class OptionsTest {

    private enum Color {
        DARK_BLUE,
        RED
    }

    private static final Option<Integer> ROWS =
            Option.named("rows", Option.Scope.ROUTE, OptionType.INTEGER)
                    .defaultsTo(32)
                    .check("at least 1", value -> value >= 1)
                    .help("Rows.");

    private static final Option<Map<String, String>> PROPERTIES =
            Option.named("properties", Option.Scope.JOB, OptionType.MAP)
                    .defaultsTo(Map.of())
                    .help("Properties.");

    private static final Option<Color> COLOR =
            Option.named("color", Option.Scope.JOB, OptionType.oneOf(Color.class)).help("Color.");

    @Test
    void whatIsNotSetHasItsDefault() {
        assertThat(Options.DEFAULTS.get(ROWS)).isEqualTo(32);
        assertThat(Options.DEFAULTS.get(COLOR)).isNull();
        assertThat(Options.DEFAULTS.find(ROWS)).isEmpty();
    }

    @Test
    void equalValuesMakeEqualOptions() {
        Options set = Options.DEFAULTS.with(ROWS, 8).with(COLOR, Color.RED);
        assertThat(set).isEqualTo(Options.DEFAULTS.with(COLOR, Color.RED).with(ROWS, 8));
        assertThat(set).hasSameHashCodeAs(Options.DEFAULTS.with(COLOR, Color.RED).with(ROWS, 8));
        assertThat(set.with(ROWS, 32).with(COLOR, null)).isEqualTo(Options.DEFAULTS);
        assertThat(set.only(List.of(ROWS))).isEqualTo(Options.DEFAULTS.with(ROWS, 8));
    }

    @Test
    void travelWithAJob() throws Exception {
        Options set = Options.DEFAULTS.with(ROWS, 8).with(PROPERTIES, Map.of("a", "b"));
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ObjectOutputStream out = new ObjectOutputStream(bytes)) {
            out.writeObject(set);
        }
        try (ObjectInputStream in =
                new ObjectInputStream(new ByteArrayInputStream(bytes.toByteArray()))) {
            assertThat(in.readObject()).isEqualTo(set);
        }
    }

    @Test
    void showNoValueThatMayBeSecret() {
        Options set = Options.DEFAULTS.with(ROWS, 8).with(PROPERTIES, Map.of("password", "hidden"));
        assertThat(set).hasToString("{model.rows=8, properties=[password]}");
    }

    @Test
    void aMapThatCannotBeReadIsNotShown() {
        for (String text : List.of("password", "password=\"hidden", ":hidden")) {
            assertThatThrownBy(() -> Options.DEFAULTS.with(PROPERTIES, "properties", text))
                    .hasMessageContaining("properties cannot be read")
                    .hasNoCause()
                    .message()
                    .doesNotContain("hidden", text);
        }
    }

    static Stream<Arguments> writtenValues() {
        return Stream.of(
                Arguments.of(OptionType.STRING, "a b", "a b"),
                Arguments.of(OptionType.BOOLEAN, true, "true"),
                Arguments.of(OptionType.INTEGER, -3, "-3"),
                Arguments.of(OptionType.FLOAT, 0.5f, "0.5"),
                Arguments.of(OptionType.DURATION, Duration.ZERO, "0 ms"),
                Arguments.of(OptionType.DURATION, Duration.ofMillis(1500), "1500 ms"),
                Arguments.of(OptionType.DURATION, Duration.ofHours(2), "2 h"),
                Arguments.of(OptionType.BYTES, 64L << 20, "64 mb"),
                Arguments.of(OptionType.BYTES, 1_000_000L, "1000000 bytes"),
                Arguments.of(OptionType.STRINGS, List.of("s3://a", "b c"), "s3://a;b c"),
                Arguments.of(OptionType.INTEGERS, List.of(7, 8), "7;8"),
                Arguments.of(OptionType.oneOf(Color.class), Color.DARK_BLUE, "dark-blue"),
                Arguments.of(
                        OptionType.MAP,
                        Map.of(
                                "sasl.jaas.config",
                                "org.Module required user=\"a\" password=\"b,c:d;e\";"),
                        "sasl.jaas.config:\"org.Module required user=\"\"a\"\""
                                + " password=\"\"b,c:d;e\"\";\""));
    }

    @ParameterizedTest
    @MethodSource("writtenValues")
    <T> void aValueIsReadAsItWasWritten(OptionType<T> type, T value, String written) {
        assertThat(type.write(value)).isEqualTo(written);
        assertThat(type.parse(written)).isEqualTo(value);
    }

    @Property
    void anyMapIsReadAsItWasWritten(@ForAll String value, @ForAll String other) {
        Map<String, String> map = Map.of("ssl.key", value, "b", other);
        assertThat(OptionType.MAP.parse(OptionType.MAP.write(map))).isEqualTo(map);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "5 | PT0.005S",
                "10ms | PT0.01S",
                "3 s | PT3S",
                "20min | PT20M",
            })
    void durationsAreReadAsFlinkReadsThem(String text, Duration value) {
        assertThat(OptionType.DURATION.parse(text)).isEqualTo(value);
    }

    @Test
    void aMapTakesFlinksFormAndTheOneOfKafka() {
        assertThat(OptionType.MAP.parse("a:1, b=x:y"))
                .containsExactlyInAnyOrderEntriesOf(Map.of("a", "1", "b", "x:y"));
    }

    @Test
    void aWrongValueIsNamedByWhatTheUserCalledIt() {
        assertThatThrownBy(() -> Options.DEFAULTS.with(ROWS, "model.b.rows", "many"))
                .hasMessage("model.b.rows is 'many'. Give a value of the type integer.");
        assertThatThrownBy(() -> Options.DEFAULTS.with(ROWS, "model.b.rows", "0"))
                .hasMessage("model.b.rows is 0. It must be at least 1.");
        assertThatThrownBy(() -> Options.DEFAULTS.with(COLOR, "color", "green"))
                .hasMessage("color is 'green'. Give one of: dark-blue, red.");
    }
}
