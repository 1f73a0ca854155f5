package io.streamformer.tokenize;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.streamformer.bundle.Bundle;
import io.streamformer.bundle.BundleException;
import io.streamformer.bundle.GoldenText;
import io.streamformer.testing.TestBundle;
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
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TokenizerTest {

    private final List<Tokenizer> open = new ArrayList<>();

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

        assertThat(tokenizer.isEmpty(tokenizer.tokenize("\u200b", null))).isTrue();
        assertThat(tokenizer.isEmpty(tokenizer.tokenize("a", null))).isFalse();
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
    void refusesAFileThatIsNoTokenizer(@TempDir Path temp) {
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
