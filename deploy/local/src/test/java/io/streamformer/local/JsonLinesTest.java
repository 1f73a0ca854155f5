package io.streamformer.local;

import static io.streamformer.local.DemoTask.SENTIMENT;
import static io.streamformer.local.DemoTask.TRANSLATION;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.EnumMap;
import java.util.Map;
import org.junit.jupiter.api.Test;

class JsonLinesTest {

    @Test
    void anAnswerOfBothTasks() {
        assertThat(
                        json(
                                "Good \"day\"\u0000",
                                Replies.sentiment("positive", 0.5f),
                                Replies.translation("Bonne journée", true)))
                .isEqualTo(
                        "{'id':7,'text':'Good \\\"day\\\"\\u0000',"
                                + "'sentiment':{'label':'positive','score':0.5},"
                                + "'translation':{'text':'Bonne journée','language':'fr'},"
                                + "'models':{"
                                + "'sentiment':{'name':'s','version':'1.0','variant':'int8','hash':'aa'},"
                                + "'translation':{'name':'t','version':'2.0','variant':'int8','hash':'bb'}},"
                                + "'truncated':true}");
    }

    @Test
    void aDeadLetterForAllTasks() {
        Reply dead = Replies.dead(null, "deserialize", "no UTF-8");
        assertThat(json("x", dead, dead))
                .isEqualTo(
                        "{'id':7,'text':'x','dead_letter':{'stage':'deserialize',"
                                + "'reason':'no UTF-8','tasks':['sentiment','translation']}}");
    }

    @Test
    void theSameLetterFromEachTask() {
        assertThat(
                        json(
                                " ",
                                Replies.dead(SENTIMENT, "validate", "blank"),
                                Replies.dead(TRANSLATION, "validate", "blank")))
                .isEqualTo(
                        "{'id':7,'text':' ','dead_letter':{'stage':'validate','reason':'blank',"
                                + "'tasks':['sentiment','translation']}}");
    }

    @Test
    void oneTaskFailedAlone() {
        assertThat(
                        json(
                                "x",
                                Replies.sentiment("negative", 1f),
                                Replies.dead(TRANSLATION, "timeout", "2 min")))
                .contains("'sentiment':{'label':'negative','score':1.0}")
                .endsWith(
                        "'dead_letter':{'stage':'timeout','reason':'2 min','tasks':['translation']}}");
    }

    @Test
    void differentReasonsAreNamed() {
        assertThat(
                        json(
                                "x",
                                Replies.dead(SENTIMENT, "inference", "a"),
                                Replies.dead(TRANSLATION, "timeout", "b")))
                .contains("'stage':'inference','reason':'sentiment: a; translation: b'");
    }

    /** The line with ' for ", to be readable here. */
    private static String json(String text, Reply sentiment, Reply translation) {
        Map<DemoTask, Reply> replies = new EnumMap<>(DemoTask.class);
        replies.put(SENTIMENT, sentiment);
        replies.put(TRANSLATION, translation);
        return JsonLines.toJson(new AnsweredEvent(7, text.getBytes(UTF_8), replies, 1))
                .replaceAll("(?<!\\\\)\"", "'");
    }
}
