"""Figures of each task on answers whose figures are known, and data in its forms."""

from __future__ import annotations

import json

import numpy as np
import pytest
from tokenizers import Tokenizer
from typer.testing import CliRunner

from streamformer_export.answers import Answer, Entity
from streamformer_export.bundle import Bundle, Runner
from streamformer_export.cli import app
from streamformer_export.datasets import DataSet, read_data, spans
from streamformer_export.errors import ExportError
from streamformer_export.evaluate import (
    answer_f1,
    answer_words,
    correlation,
    entity_f1,
    label_f1,
    rouge,
    similarity,
)


def data(expected: list, pairs: list | None = None) -> DataSet:
    return DataSet("data", ["text"] * len(expected), pairs or [None] * len(expected), expected)


def test_label_f1_counts_decisions(bundles):
    bundle = Bundle.read(bundles / "tiny-toxic")
    # Labels: toxic, insult, threat, obscene; 3 of 4 found are right, of 5 wanted.
    answers = [np.array([0.9, 0.8, 0.1, 0.2]), np.array([0.5, 0.3, 0.7, 0.1])]
    wanted = [{"toxic", "insult", "obscene"}, {"toxic", "obscene"}]
    figures = label_f1(answers, data(wanted), bundle)
    assert figures["F1 micro"] == pytest.approx(2 * 3 / (4 + 5))
    assert figures["F1 macro"] == pytest.approx((1 + 1 + 0 + 0) / 4)


def test_correlations_are_scipys(bundles):
    bundle = Bundle.read(bundles / "tiny-similarity")
    found, wanted = [1.0, 2.0, 2.0, 5.0, 3.0], [[0.5], [1.0], [2.0], [2.0], [2.5]]
    figures = correlation([np.array([value]) for value in found], data(wanted), bundle)
    # scipy.stats.pearsonr and spearmanr of the same values.
    assert figures["Pearson"] == pytest.approx(0.6420578831241024)
    assert figures["Spearman"] == pytest.approx(0.7631578947368421)


def test_equal_values_have_no_correlation(bundles):
    bundle = Bundle.read(bundles / "tiny-similarity")
    with pytest.raises(ExportError, match="all are equal"):
        correlation([np.array([1.0])] * 3, data([[1.0], [2.0], [3.0]]), bundle)


def test_similarity_is_of_cosines(bundles):
    bundle = Bundle.read(bundles / "tiny-embeddings")
    pairs = [([1, 0], [2, 0]), ([1, 0], [0, 3]), ([1, 0], [-1, 0])]
    vectors = [np.array(vector) for pair in pairs for vector in pair]
    figures = similarity(vectors, data([5.0, 2.5, 0.0], ["other"] * 3), bundle)
    assert figures["cosine Pearson"] == pytest.approx(1)
    assert figures["cosine Spearman"] == pytest.approx(1)


def test_entity_f1_wants_label_and_both_ends(bundles):
    bundle = Bundle.read(bundles / "tiny-entities")
    found = [
        [Entity("PER", 0.9, 0, 3), Entity("LOC", 0.9, 7, 12)],
        [Entity("PER", 0.9, 0, 4), Entity("LOC", 0.9, 8, 9)],
    ]
    wanted = [[("PER", 0, 3), ("LOC", 7, 11)], [("LOC", 0, 4), ("LOC", 8, 9), ("PER", 10, 12)]]
    figures = entity_f1(found, data(wanted), bundle)
    assert figures["entity precision"] == pytest.approx(2 / 4)
    assert figures["entity recall"] == pytest.approx(2 / 5)
    assert figures["entity F1"] == pytest.approx(2 * 2 / 9)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        # As seqeval's get_entities reads them.
        ("B-PER I-PER O B-LOC", [("PER", 0, 3), ("LOC", 6, 7)]),
        ("B-PER B-PER I-PER", [("PER", 0, 1), ("PER", 2, 5)]),
        ("I-PER I-LOC O I-LOC", [("PER", 0, 1), ("LOC", 2, 3), ("LOC", 6, 7)]),
        ("O O", []),
        ("B-PER I-LOC I-PER", [("PER", 0, 1), ("LOC", 2, 3), ("PER", 4, 5)]),
    ],
)
def test_tags_become_spans(tags, expected):
    assert spans([("x", tag) for tag in tags.split()]) == expected


def test_answers_are_compared_as_squad_does(bundles):
    bundle = Bundle.read(bundles / "tiny-answers")
    context = "In 1999 the Great Wall, of China."
    answers = [Answer(8, 22, 0.9), Answer(8, 32, 0.9), Answer(0, 7, 0.9), Answer(0, 0, 0.0)]
    wanted = [["great wall", "a wall"], ["the Great Wall"], ["2000"], [""]]
    figures = answer_f1(answers, data(wanted, [context] * 4), bundle)
    assert figures["exact match"] == pytest.approx(2 / 4)
    # Four words with two right: precision 1/2, recall 1.
    assert figures["F1"] == pytest.approx((1 + 2 / 3 + 0 + 1) / 4)
    assert answer_words("The  Beatles' An-them!") == ["beatles", "anthem"]


def test_rouge_is_that_of_known_summaries():
    """Hand-counted: 3 of 3 words against 3 of 4; and the better of two references."""
    references = [["the dogs sleep well"], ["nothing", "a cat ran"]]
    found = DataSet("x", ["text"] * 2, references=references)
    figures = rouge(["the dog sleeps", "a cat ran"], found, "x")
    first, second = 2 * 3 / (3 + 4), 2 * 2 / (2 + 3)
    assert figures["ROUGE-1 (x)"] == pytest.approx(100 * (first + 1) / 2, abs=0.01)
    assert figures["ROUGE-2 (x)"] == pytest.approx(100 * (second + 1) / 2, abs=0.01)
    assert figures["ROUGE-L (x)"] == pytest.approx(100 * (first + 1) / 2, abs=0.01)


def test_summaries_are_measured_by_rouge(bundles, tmp_path):
    (tmp_path / "x.tsv").write_text("the dog and the cat sleep\tthe dog sleeps\n")
    arguments = ["evaluate", str(bundles / "tiny-summary"), "--data", str(tmp_path / "x.tsv")]
    result = CliRunner().invoke(app, [*arguments, "--variant", "fp32"])
    assert result.exit_code == 0, result.output
    assert all(f"ROUGE-{kind} (x, beam 4)" in result.output for kind in "12L")
    assert "BLEU" not in result.output


def test_a_long_context_is_read_in_windows(bundles, tmp_path):
    """As the operator does: no token is left out, and neighbours share some."""
    bundle = Bundle.read(bundles / "tiny-answers")
    question, context = "Who sleeps?", "the dog and the cat sleep on the street " * 40
    rows = bundle.readings(question, context)
    limit = bundle.max_tokens
    whole = Tokenizer.from_file(str(bundle.folder / "tokenizer.json")).encode(question, context)
    places = [i for i, sequence in enumerate(whole.sequence_ids) if sequence == 1]
    room = limit - (len(whole) - len(places))
    stride = min(128, limit // 2, room // 2)
    inside = [
        [o for o, s in zip(row.offsets, row.sequence_ids, strict=True) if s == 1] for row in rows
    ]
    assert len(rows) > 5
    assert all(len(row) == limit for row in rows[:-1])
    assert [o for i, part in enumerate(inside) for o in part[stride if i else 0 :]] == [
        whole.offsets[i] for i in places
    ]
    for row in rows:
        assert [row.ids[0], row.ids[-1]] == [whole.ids[0], whole.ids[-1]]
        assert row.type_ids == sorted(row.type_ids)
    # A short one is read as it was.
    (one,) = bundle.readings(question, "The dog sleeps.")
    assert one.ids == bundle.encode(question, "The dog sleeps.").ids
    # The answer is that of the window with the best score.
    best = max(Runner(bundle, "fp32").read(rows), key=lambda answer: answer.score)
    content = [{"question": question, "answers": [{"text": context[best.start : best.end]}]}]
    squad = {"data": [{"paragraphs": [{"context": context, "qas": content}]}]}
    (tmp_path / "x.json").write_text(json.dumps(squad))
    arguments = ["evaluate", str(bundle.folder), "--data", str(tmp_path / "x.json")]
    result = CliRunner().invoke(app, [*arguments, "--variant", "fp32"])
    assert "exact match (x): 1.0" in result.output


def test_a_question_without_room_for_its_context_is_refused(bundles):
    bundle = Bundle.read(bundles / "tiny-answers")
    with pytest.raises(ExportError, match=r"fits into 64 tokens: it has \d+ without"):
        bundle.readings("who " * 70, "The dog sleeps.")


TABLES = {
    "tiny-toxic": (
        "x.tsv",
        "labels\ttext\ntoxic,insult\tyou bad dog\n\ta good dog\n",
        {"F1 micro (x)", "F1 macro (x)"},
    ),
    "tiny-similarity": (
        "x.tsv",
        "label\tfirst\tsecond\n0.5\ta dog\ta cat\n4\ta dog\tthe dog\n1\tno\tyes\n",
        {"Pearson (x)", "Spearman (x)"},
    ),
    "tiny-embeddings": (
        "x.tsv",
        "label\tfirst\tsecond\n0.5\ta dog\ta cat\n4\ta dog\tthe dog\n1\tno\tyes\n",
        {"cosine Pearson (x)", "cosine Spearman (x)"},
    ),
    "tiny-entities": (
        "x.conll",
        "-DOCSTART- -X- O\n\nJohn NNP B-PER\nSmith NNP I-PER\nis VB O\n\nParis NNP B-LOC\n",
        {"entity precision (x)", "entity recall (x)", "entity F1 (x)"},
    ),
    "tiny-answers": (
        "x.json",
        json.dumps(
            {
                "data": [
                    {
                        "paragraphs": [
                            {
                                "context": "The dog sleeps.",
                                "qas": [
                                    {"question": "Who sleeps?", "answers": [{"text": "The dog"}]},
                                    {"question": "Who eats?", "answers": []},
                                ],
                            }
                        ]
                    }
                ]
            }
        ),
        {"exact match (x)", "F1 (x)"},
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_each_task_is_measured(bundles, tmp_path, name):
    file, content, figures = TABLES[name]
    (tmp_path / file).write_text(content)
    arguments = ["evaluate", str(bundles / name), "--data", str(tmp_path / file)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    measured = [line.split("  ", 1)[1] for line in result.output.splitlines() if "(x)" in line]
    both = {line.rpartition(":")[0] for line in measured}
    assert both == figures
    # In both variants.
    assert len(measured) == 2 * len(figures)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("tiny-sentiment", "label\ttext\nfunny\ta dog\n", "one of negative, positive"),
        ("tiny-sentiment", "text\na dog\n", "the column 'label'"),
        ("tiny-sentiment", "label\ttext\n", "has none"),
        ("tiny-sentiment", "label\ttext\n0\n", "line 2"),
        ("tiny-toxic", "label\ttext\ntoxic\ta dog\n", "the column 'labels'"),
        ("tiny-similarity", "label\ttext\nhigh\ta dog\n", "a number"),
        ("tiny-embeddings", "label\ttext\n1\ta dog\n", "pairs of texts"),
        ("tiny-entities", "John\n", "line 1"),
        ("tiny-answers", "{}", "SQuAD's JSON"),
    ],
)
def test_other_data_is_refused(bundles, tmp_path, name, content, message):
    (tmp_path / "x.tsv").write_text(content)
    with pytest.raises(ExportError, match=message):
        read_data(str(tmp_path / "x.tsv"), Bundle.read(bundles / name))


def test_pairs_of_a_classifier_are_read_as_pairs(bundles, tmp_path):
    (tmp_path / "x.tsv").write_text("first\tlabel\tsecond\na dog\tpositive\ta cat\n")
    bundle = Bundle.read(bundles / "tiny-sentiment")
    found = read_data(str(tmp_path / "x.tsv"), bundle)
    assert found.inputs(bundle) == [("a dog", "a cat")]
    assert found.expected == [1]
