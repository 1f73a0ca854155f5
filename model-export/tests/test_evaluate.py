"""Figures of each task on answers whose figures are known, and data in its forms."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from streamformer_export.answers import Answer, Entity
from streamformer_export.bundle import Bundle
from streamformer_export.cli import app
from streamformer_export.datasets import DataSet, read_data, spans
from streamformer_export.errors import ExportError
from streamformer_export.evaluate import (
    answer_f1,
    answer_words,
    correlation,
    entity_f1,
    label_f1,
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
