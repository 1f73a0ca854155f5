package io.streamformer.local.demo;

import static io.streamformer.bundle.Task.TEXT_CLASSIFICATION;
import static io.streamformer.bundle.Task.TRANSLATION;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.streamformer.bundle.Task;
import io.streamformer.schemas.Alternative;
import io.streamformer.schemas.Answer;
import io.streamformer.schemas.Classification;
import io.streamformer.schemas.Embedding;
import io.streamformer.schemas.Entities;
import io.streamformer.schemas.Entity;
import io.streamformer.schemas.GeneratedText;
import io.streamformer.schemas.ModelReference;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.apache.avro.specific.SpecificRecordBase;
import org.junit.jupiter.api.Test;

class JsonLinesTest {

    private static final ModelReference MODEL = new ModelReference("m", "1", "int8", "cc");

    @Test
    void anAnswerOfBothTasks() {
        assertThat(
                        json(
                                "Good \"day\"\u0000",
                                Replies.sentiment("positive", 0.5f),
                                Replies.translation("Bonne journée", true)))
                .isEqualTo(
                        "{'id':7,'text':'Good \\\"day\\\"\\u0000',"
                                + "'sentiment':{'label':'positive','score':0.5},'translation':{'text':'Bonne"
                                + " journée','language':'fr'},'models':{"
                                + "'sentiment':{'name':'s','version':'1.0','variant':'int8','hash':'aa'},"
                                + "'translation':{'name':'t','version':'2.0','variant':'int8','hash':'bb'}},"
                                + "'truncated':true}");
    }

    @Test
    void theOtherTasks() {
        assertThat(
                        json(
                                Task.TOKEN_CLASSIFICATION,
                                Entities.newBuilder()
                                        .setId("1")
                                        .setEntities(List.of(new Entity("PER", 0.5f, "Ada", 0, 3)))
                                        .setModel(MODEL)
                                        .build()))
                .contains(
                        "'entities':[{'label':'PER','score':0.5,'text':'Ada','start':0,'end':3}],"
                                + "'models':{'entities':{'name':'m'");
        assertThat(
                        json(
                                Task.QUESTION_ANSWERING,
                                Answer.newBuilder()
                                        .setId("1")
                                        .setText("here")
                                        .setScore(0.25f)
                                        .setStart(4)
                                        .setEnd(8)
                                        .setModel(MODEL)
                                        .build()))
                .contains("'answer':{'text':'here','score':0.25,'start':4,'end':8},'models'");
        assertThat(
                        json(
                                Task.FEATURE_EXTRACTION,
                                Embedding.newBuilder()
                                        .setId("1")
                                        .setVector(List.of(0.5f, -1f))
                                        .setModel(MODEL)
                                        .build()))
                .contains("'embedding':[0.5,-1.0],'models'");
        assertThat(
                        json(
                                Task.SUMMARIZATION,
                                GeneratedText.newBuilder()
                                        .setId("1")
                                        .setText("short")
                                        .setScore(-0.5f)
                                        .setAlternatives(List.of(new Alternative("brief", -1f)))
                                        .setAlignments(List.of())
                                        .setModel(MODEL)
                                        .build()))
                .contains(
                        "'summary':{'text':'short','score':-0.5,"
                                + "'alternatives':[{'text':'brief','score':-1.0}]},'models'");
        assertThat(
                        json(
                                Task.TEXT_CLASSIFICATION,
                                Classification.newBuilder()
                                        .setId("1")
                                        .setLabel("rude")
                                        .setScore(0.75f)
                                        .setScores(Map.of("rude", 0.75f))
                                        .setProblemType("multi_label_classification")
                                        .setModel(MODEL)
                                        .build()))
                .contains("'sentiment':{'label':'rude','score':0.75,'scores':{'rude':0.75}},");
    }

    private static String json(Task task, SpecificRecordBase answer) {
        Map<Task, Reply> replies = new EnumMap<>(Task.class);
        replies.put(task, new Reply.Answered(task, answer));
        return line("x", replies);
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
                                Replies.dead(TEXT_CLASSIFICATION, "validate", "blank"),
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
                        "'dead_letter':{'stage':'timeout','reason':'2"
                                + " min','tasks':['translation']}}");
    }

    @Test
    void differentReasonsAreNamed() {
        assertThat(
                        json(
                                "x",
                                Replies.dead(TEXT_CLASSIFICATION, "inference", "a"),
                                Replies.dead(TRANSLATION, "timeout", "b")))
                .contains("'stage':'inference','reason':'sentiment: a; translation: b'");
    }

    /** The line with ' for ", to be readable here. */
    private static String json(String text, Reply sentiment, Reply translation) {
        Map<Task, Reply> replies = new EnumMap<>(Task.class);
        replies.put(TEXT_CLASSIFICATION, sentiment);
        replies.put(TRANSLATION, translation);
        return line(text, replies);
    }

    private static String line(String text, Map<Task, Reply> replies) {
        return JsonLines.toJson(new AnsweredEvent(7, text.getBytes(UTF_8), replies, 1))
                .replaceAll("(?<!\\\\)\"", "'");
    }
}
