package io.streamformer.tokenize;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.streamformer.bundle.Bundle;
import io.streamformer.bundle.BundleException;
import io.streamformer.bundle.GoldenText;
import io.streamformer.testing.TestBundle;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Consumer;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TokenizerTest {

    private final List<Tokenizer> open = new ArrayList<>();

    @TempDir private Path temp;

    @AfterEach
    void close() {
        open.forEach(Tokenizer::close);
    }

    @ParameterizedTest
    @ValueSource(strings = {TestBundle.SENTIMENT, TestBundle.TRANSLATION})
    void givesTheReferencesIds(String name) {
        Bundle bundle = Bundle.read(TestBundle.resource(name));
        Tokenizer tokenizer = load(bundle);

        for (GoldenText golden : bundle.goldenTexts()) {
            assertThat(tokenizer.tokenize(golden.text(), golden.textPair()).ids())
                    .as(golden.text())
                    .isEqualTo(Arrays.stream(golden.inputIds()).asLongStream().toArray());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {TestBundle.SENTIMENT, TestBundle.TRANSLATION})
    void keepsTheTemplateOfSpecialTokensWhereItCuts(String name) {
        Bundle bundle = Bundle.read(TestBundle.resource(name));
        Tokenizer tokenizer = load(bundle);
        long[] template = tokenizer.tokenize("", null).ids();
        int maxTokens = bundle.manifest().limits().maxTokens();

        TokenizedText whole = tokenizer.tokenize("a b", null);
        TokenizedText cut = tokenizer.tokenize("a b ".repeat(maxTokens), null);

        assertThat(whole.truncated()).isFalse();
        assertThat(cut.truncated()).isTrue();
        assertThat(cut.length()).isEqualTo(maxTokens);
        assertThat(cut.ids()[maxTokens - 1]).isEqualTo(template[template.length - 1]);
        assertThat(cut.ids()[0]).isEqualTo(whole.ids()[0]);
    }

    @Test
    void readsPairs() {
        Tokenizer tokenizer = load(Bundle.read(TestBundle.resource(TestBundle.SENTIMENT)));

        TokenizedText pair = tokenizer.tokenize("good", "bad");

        assertThat(pair.typeIds()).hasSameSizeAs(pair.ids()).contains(0L, 1L);
        assertThat(tokenizer.tokenize("good", null).typeIds()).isNull();
    }

    @ParameterizedTest
    @ValueSource(strings = {TestBundle.SENTIMENT, TestBundle.TRANSLATION})
    void survivesEveryText(String name) {
        Bundle bundle = Bundle.read(TestBundle.resource(name));
        Tokenizer tokenizer = load(bundle);
        int maxTokens = bundle.manifest().limits().maxTokens();

        for (String text : hostileTexts()) {
            TokenizedText tokenized = tokenizer.tokenize(text, null);
            assertThat(tokenized.length()).isBetween(1, maxTokens);
            assertThat(tokenizer.tokenize(text, text).length()).isBetween(1, maxTokens);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {TestBundle.SENTIMENT, TestBundle.TRANSLATION})
    void neverTurnsTextIntoAControlToken(String name) {
        Bundle bundle = Bundle.read(TestBundle.resource(name));
        Tokenizer tokenizer = load(bundle);
        Set<Long> control = new HashSet<>();
        bundle.manifest().tokenizer().specialTokenIds().forEach(id -> control.add((long) id));
        // The unknown token is a text's to have; a private character of Unicode is unknown to all.
        for (long id : tokenizer.tokenize("\uE000", null).ids()) {
            control.remove(id);
        }
        for (long id : tokenizer.tokenize("", null).ids()) {
            control.add(id);
        }
        int template = tokenizer.tokenize("", null).length();

        for (String word :
                List.of("[MASK]", "[SEP]", "[CLS]", "[PAD]", "</s>", "<s>", "<pad>", ">>fra<<")) {
            long[] ids = tokenizer.tokenize("a " + word + " b", null).ids();
            assertThat(Arrays.stream(ids).filter(control::contains).count())
                    .as(word)
                    .isEqualTo(template);
        }
    }

    @Test
    void knowsWhenNothingIsLeftToRead() {
        Tokenizer tokenizer = load(Bundle.read(TestBundle.resource(TestBundle.SENTIMENT)));

        assertThat(isEmpty(tokenizer, "\u200b")).isTrue();
        assertThat(isEmpty(tokenizer, "a")).isFalse();
    }

    private static boolean isEmpty(Tokenizer tokenizer, String text) {
        return tokenizer.isEmpty(text, tokenizer.tokenize(text, null));
    }

    @ParameterizedTest
    @ValueSource(strings = {TestBundle.SENTIMENT, TestBundle.TRANSLATION})
    void leavesSpecialIdsOutOfADecodedText(String name) {
        Tokenizer tokenizer = load(Bundle.read(TestBundle.resource(name)));

        long[] ids = tokenizer.tokenize("good", null).ids();

        assertThat(tokenizer.decode(ids)).isEqualTo("good");
        assertThat(tokenizer.decode(new long[0])).isEmpty();
    }

    @Test
    void readsALongContextInWindows() {
        TestBundle bundle = copy(m -> m.put("task", "question-answering"));
        Tokenizer tokenizer = load(Bundle.read(bundle.folder()));
        String context = "  \uD83D\uDE00 " + "the dog and the cat ".repeat(60);
        TokenizedText whole = tokenizer.tokenize("who is it", "the dog");

        TokenizedText first = tokenizer.tokenize("who is it", context);

        List<TokenizedText> windows = new ArrayList<>(List.of(first));
        windows.addAll(first.furtherWindows());
        assertThat(windows).hasSizeGreaterThan(5);
        Set<Integer> characters = new HashSet<>();
        int last = -1;
        for (TokenizedText window : windows) {
            assertThat(window.truncated()).isFalse();
            assertThat(window.length()).isLessThanOrEqualTo(64);
            // [CLS] who is it [SEP] ... [SEP], of which only the context has a place.
            assertThat(Arrays.copyOf(window.ids(), 5)).isEqualTo(Arrays.copyOf(whole.ids(), 5));
            assertThat(window.ids()[window.length() - 1])
                    .isEqualTo(whole.ids()[whole.length() - 1]);
            assertThat(window.typeIds()).hasSize(window.length());
            TokenSpans spans = window.spans();
            assertThat(spans.contains(4)).isFalse();
            assertThat(spans.contains(window.length() - 1)).isFalse();
            // Neighbours have a stride in common.
            assertThat(spans.starts()[5]).isLessThanOrEqualTo(Math.max(last, 2));
            last = spans.starts()[window.length() - 2];
            for (int i = 5; i < window.length() - 1; i++) {
                assertThat(spans.slice(spans.starts()[i], spans.ends()[i])).doesNotContain(" ");
                characters.add(spans.starts()[i]);
            }
        }
        assertThat(windows.subList(0, windows.size() - 1))
                .allSatisfy(window -> assertThat(window.length()).isEqualTo(64));
        // The emoji, and every word.
        assertThat(characters).hasSize(1 + 5 * 60);
    }

    @Test
    void aQuestionLeavesRoomForItsContext() {
        TestBundle bundle = copy(m -> m.put("task", "question-answering"));
        Tokenizer tokenizer = load(Bundle.read(bundle.folder()));

        assertThat(tokenizer.tokenize("a ".repeat(60), "dog").length()).isEqualTo(64);
        assertThatThrownBy(() -> tokenizer.tokenize("a ".repeat(61), "dog"))
                .hasMessageContaining("needs 65 tokens, and the bundle allows 64");
    }

    @Test
    void aTemplateStaysWhereItsTextIsCut() {
        TestBundle bundle =
                copy(
                        m ->
                                m.put("task", "token-classification")
                                        .put("template", "it is {text} now"));
        Tokenizer tokenizer = load(Bundle.read(bundle.folder()));
        long[] around = tokenizer.tokenize("dog", null).ids();

        TokenizedText cut = tokenizer.tokenize("dog cat ".repeat(100), null);

        assertThat(cut.truncated()).isTrue();
        assertThat(cut.length()).isEqualTo(64);
        assertThat(Arrays.copyOf(cut.ids(), 4)).isEqualTo(Arrays.copyOf(around, 4));
        assertThat(Arrays.copyOfRange(cut.ids(), 62, 64))
                .isEqualTo(Arrays.copyOfRange(around, around.length - 2, around.length));
        // Places are those of the text alone.
        assertThat(cut.spans().contains(2)).isFalse();
        assertThat(cut.spans().starts()[3]).isZero();
        assertThat(cut.spans().starts()[4]).isEqualTo(4);
        assertThat(cut.spans().contains(62)).isFalse();
        assertThat(tokenizer.isEmpty("\u200b", tokenizer.tokenize("\u200b", null))).isTrue();
        assertThat(tokenizer.isEmpty("a", tokenizer.tokenize("a", null))).isFalse();
    }

    @Test
    void aTemplateHasTheTextInEachOfItsPlaces() {
        TestBundle bundle = copy(m -> m.put("template", "{text} is not {text}"));
        Tokenizer filling = load(Bundle.read(bundle.folder()));
        Tokenizer plain = load(Bundle.read(TestBundle.resource(TestBundle.SENTIMENT)));

        assertThat(filling.tokenize("dog", null).ids())
                .isEqualTo(plain.tokenize("dog is not dog", null).ids());
        assertThat(filling.isEmpty("\u200b", filling.tokenize("\u200b", null))).isTrue();
    }

    @ParameterizedTest
    @ValueSource(strings = {"left", "right"})
    void cutsTextsAndPairsAsTransformers(String side) throws IOException {
        JsonNode known = cutTexts();
        TestBundle bundle = copy(m -> cutting(m, side, known.get("max_tokens").asInt()));
        Tokenizer tokenizer = load(Bundle.read(bundle.folder()));

        for (JsonNode text : known.get(side).get("texts")) {
            String pair = text.get("pair").isNull() ? null : text.get("pair").asText();
            TokenizedText found = tokenizer.tokenize(text.get("text").asText(), pair);
            assertThat(found.ids()).as(text.toString()).isEqualTo(longs(text.get("ids")));
            long[] types = pair == null ? null : longs(text.get("types"));
            assertThat(found.typeIds()).as(text.toString()).isEqualTo(types);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"left", "right"})
    void readsAContextInTheWindowsOfTransformers(String side) throws IOException {
        JsonNode known = cutTexts();
        TestBundle bundle =
                copy(
                        m ->
                                cutting(m, side, known.get("max_tokens").asInt())
                                        .put("task", "question-answering"));
        Tokenizer tokenizer = load(Bundle.read(bundle.folder()));

        for (JsonNode text : known.get(side).get("questions")) {
            TokenizedText first =
                    tokenizer.tokenize(text.get("question").asText(), text.get("context").asText());
            List<TokenizedText> windows = new ArrayList<>(List.of(first));
            windows.addAll(first.furtherWindows());
            assertThat(windows).hasSameSizeAs(text.get("windows"));
            for (int i = 0; i < windows.size(); i++) {
                assertThat(windows.get(i).ids()).isEqualTo(longs(text.get("windows").get(i)));
            }
        }
    }

    @Test
    void aTextThatIsCutOnTheLeftKeepsItsTemplateAndItsPlaces() {
        TestBundle bundle =
                copy(
                        m ->
                                cutting(m, "left", 9)
                                        .put("task", "token-classification")
                                        .put("template", "it is {text} now"));
        Tokenizer tokenizer = load(Bundle.read(bundle.folder()));
        long[] whole = tokenizer.tokenize("dog cat the", null).ids();

        TokenizedText cut = tokenizer.tokenize("a a a a a a dog cat the", null);

        assertThat(cut.ids()).isEqualTo(whole);
        assertThat(cut.truncated()).isTrue();
        assertThat(cut.spans().starts()).containsExactly(-1, -1, -1, 12, 16, 20, -1, -1, -1);
    }

    @Test
    void aTextThatIsCutOnTheLeftKeepsItsLanguageAndItsLastCharacters() {
        TestBundle bundle =
                copy(
                        m -> {
                            cutting(m, "left", 5).put("task", "token-classification");
                            ObjectNode languages =
                                    ((ObjectNode) m.get("tokenizer"))
                                            .putObject("source_language_tokens");
                            languages.put("position", "first");
                            languages.putObject("ids").put("en", 77).put("fr", 78);
                        });
        Tokenizer tokenizer = load(Bundle.read(bundle.folder()));
        String text = "a ".repeat(500) + "dog cat the" + " ".repeat(300);

        TokenizedText cut = tokenizer.tokenize(text, null, "fr");

        long[] expected = tokenizer.tokenize("dog cat the", null).ids();
        expected[0] = 78;
        assertThat(cut.ids()).isEqualTo(expected);
        assertThat(cut.spans().starts()).containsExactly(-1, 1000, 1004, 1008, -1);
    }

    @Test
    void aTokenizerWithoutTokenTypesGivesAPairNone() {
        TestBundle bundle = copy(m -> ((ObjectNode) m.get("tokenizer")).put("token_types", "none"));
        Tokenizer tokenizer = load(Bundle.read(bundle.folder()));

        assertThat(tokenizer.tokenize("good", "bad").typeIds()).isNull();
    }

    private JsonNode cutTexts() throws IOException {
        try (InputStream in = getClass().getResourceAsStream("cut-texts.json")) {
            return new JsonMapper().readTree(in);
        }
    }

    private static ObjectNode cutting(ObjectNode manifest, String side, int maxTokens) {
        ((ObjectNode) manifest.get("tokenizer")).put("truncation_side", side);
        ((ObjectNode) manifest.get("limits")).put("max_tokens", maxTokens);
        return manifest;
    }

    private static long[] longs(JsonNode array) {
        return StreamSupport.stream(array.spliterator(), false)
                .mapToLong(JsonNode::asLong)
                .toArray();
    }

    @Test
    void placesCountFromTheStartOfATextThatWasCut() {
        TestBundle bundle = copy(m -> m.put("task", "token-classification"));
        Tokenizer tokenizer = load(Bundle.read(bundle.folder()));
        String text = " ".repeat(2000) + "\uD83D\uDE00 dog";

        TokenSpans spans = tokenizer.tokenize(text, null).spans();

        assertThat(spans.starts()).containsExactly(-1, 2000, 2002, -1);
        assertThat(spans.slice(spans.starts()[2], spans.ends()[2])).isEqualTo("dog");
    }

    @ParameterizedTest
    @ValueSource(strings = {"first", "last"})
    void tellsTheInputsLanguage(String position) {
        TestBundle bundle =
                copy(
                        m -> {
                            ObjectNode languages =
                                    ((ObjectNode) m.get("tokenizer"))
                                            .putObject("source_language_tokens");
                            languages.put("position", position);
                            languages.putObject("ids").put("en", 77).put("fr", 78);
                        });
        Tokenizer tokenizer = load(Bundle.read(bundle.folder()));

        long[] own = tokenizer.tokenize("a dog", null).ids();
        long[] french = tokenizer.tokenize("a dog", null, "fr").ids();

        int place = position.equals("first") ? 0 : own.length - 1;
        assertThat(french[place]).isEqualTo(78);
        french[place] = own[place];
        assertThat(french).isEqualTo(own);
    }

    @Test
    void knowsWhereGeneratedTokensLieInTheirText() {
        Tokenizer tokenizer = load(Bundle.read(TestBundle.resource(TestBundle.TRANSLATION)));
        long[] ids = tokenizer.tokenize("the dogs! 12", null).ids();

        TokenSpans spans = tokenizer.decodedSpans(ids);

        assertThat(spans.text()).isEqualTo("the dogs! 12").isEqualTo(tokenizer.decode(ids));
        assertThat(spans.starts()[0]).isZero();
        for (int i = 1; i < ids.length; i++) {
            assertThat(spans.starts()[i]).isEqualTo(spans.ends()[i - 1]);
        }
        assertThat(spans.ends()[ids.length - 1]).isEqualTo(12);
        assertThat(spans.ends()[0]).isEqualTo(3);
    }

    private TestBundle copy(Consumer<ObjectNode> change) {
        return TestBundle.copyOf(TestBundle.SENTIMENT, temp).manifest(change);
    }

    @Test
    void answersManyThreadsAtOnce() throws Exception {
        Tokenizer tokenizer = load(Bundle.read(TestBundle.resource(TestBundle.TRANSLATION)));
        List<String> texts = new ArrayList<>();
        for (int i = 0; i < 50; i++) {
            texts.add("text " + "ab ".repeat(i % 7) + i);
        }
        Callable<List<List<Long>>> work =
                () ->
                        texts.stream()
                                .map(t -> Arrays.stream(tokenizer.tokenize(t, null).ids()))
                                .map(ids -> ids.boxed().toList())
                                .toList();
        List<List<Long>> expected = work.call();
        ExecutorService pool = Executors.newFixedThreadPool(8);
        try {
            for (Future<List<List<Long>>> result :
                    pool.invokeAll(java.util.Collections.nCopies(16, work))) {
                assertThat(result.get()).isEqualTo(expected);
            }
        } finally {
            pool.shutdown();
        }
    }

    @Test
    void refusesAFileThatIsNoTokenizer() {
        TestBundle bundle =
                TestBundle.copyOf(TestBundle.SENTIMENT, temp).file("tokenizer.json", t -> "{}");

        assertThatThrownBy(() -> load(Bundle.read(bundle.folder())))
                .isInstanceOf(BundleException.class)
                .hasMessageContaining("tokenizer.json is a tokenizer file");
    }

    private Tokenizer load(Bundle bundle) {
        Tokenizer tokenizer = Tokenizer.load(bundle);
        open.add(tokenizer);
        return tokenizer;
    }

    static List<String> hostileTexts() {
        StringBuilder everyCharacter = new StringBuilder();
        for (int c = 0; c <= Character.MAX_VALUE; c++) {
            everyCharacter.append((char) c);
        }
        return List.of(
                "word ".repeat(200_000),
                "x".repeat(1_000_000),
                "e" + "\u0301".repeat(10_000),
                "\u0301".repeat(10_000),
                "\uD83D lone \uDE00",
                "\uDE00\uD83D",
                "a\u0000b",
                "\u0000",
                "\u0001\u0007\u001b[31m\u007f\u0085\ufeff\u202e",
                "\uD83D\uDE00".repeat(50_000),
                "[MASK] [SEP] </s> <pad> <unk> ##a",
                everyCharacter.toString());
    }
}
