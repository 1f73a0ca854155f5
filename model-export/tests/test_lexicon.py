from __future__ import annotations

import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

from graphs import padded, random_rows, search, session
from streamformer_export import lexicon, native_marian
from streamformer_export.bundle import Runner
from streamformer_export.cli import app
from streamformer_export.errors import ExportError
from streamformer_export.export import Answers, Settings, Variant, export
from streamformer_export.families import read_model
from streamformer_export.native_marian import Shortlist
from streamformer_export.quantize import Scheme
from test_reference import marian

# Token 100 + i translates token i; in front of them, 90 stands in every translation.
SOURCES = [[i % 7, (3 * i) % 11, 50] for i in range(200)]
TARGETS = [[90, *(100 + token for token in row[:-1]), 50] for row in SOURCES]


def test_model_1_finds_the_translation_of_each_token():
    source, target, probability = lexicon.estimate(SOURCES, TARGETS)
    for token in range(11):
        own = source == token
        assert target[own][np.argmax(probability[own])] == 100 + token
        np.testing.assert_allclose(probability[own].sum(), 1)


def test_a_shortlist_has_the_best_the_frequent_and_its_own(tmp_path):
    table = lexicon.estimate(SOURCES, TARGETS)
    made = lexicon.shortlist(table, 120, best=1, least=0.1, frequent=[50, 90])
    made.write(tmp_path / "lex.bin")
    read = Shortlist.read(tmp_path / "lex.bin")
    # The lowest tokens fill it up to a multiple of eight, as Marian does.
    assert read.of([4, 50]) == [0, 1, 2, 3, 4, 50, 90, 104]
    assert read.of([4, 50]) == made.of([4, 50])


@pytest.fixture
def folder(translation_folder, tmp_path):
    shutil.copytree(translation_folder, tmp_path / "model")
    return tmp_path / "model"


def test_a_bundle_answers_within_its_shortlist(folder, tmp_path):
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("a small word\tun petit mot\na word\tun mot\n" * 9, encoding="utf-8")
    command = ["shortlist", str(folder), "--train", str(pairs), "--frequent", "3"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert "100.0% of the translations' tokens" in result.output
    assert CliRunner().invoke(app, command).exit_code == 2

    settings = Settings(name="m", variants=(Variant.FP32,), answers=Answers.GRAPH)
    bundle = export(folder, tmp_path / "bundle", settings)
    assert bundle.shortlist is not None
    rows = [line["input_ids"] for line in bundle.golden()]
    for row, answer in zip(rows, Runner(bundle, "fp32").answers(rows), strict=True):
        assert set(answer) <= set(bundle.shortlist.of(row))


def test_other_families_get_no_shortlist(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "bart"}', encoding="utf-8")
    result = CliRunner().invoke(app, ["shortlist", str(tmp_path), "--train", "pairs.tsv"])
    assert result.exit_code == 2
    assert not (tmp_path / "lex.bin").exists()


def test_separate_vocabularies_have_no_shortlist(torch, tmp_path):
    marian(torch, tmp_path, {}, share_encoder_decoder_embeddings=False)
    Shortlist.of_lists([[1], [2]]).write(tmp_path / "lex.bin")
    with pytest.raises(ExportError, match="share a vocabulary"):
        read_model(tmp_path)


@pytest.mark.parametrize("beams", [1, 4])
def test_searches_are_those_of_generate_among_the_same_tokens(torch, tmp_path, beams):
    model = marian(torch, tmp_path, {})
    random = np.random.default_rng(3)
    lists = [random.choice(95, 12, replace=False).tolist() for _ in range(97)]
    Shortlist.of_lists(lists).write(tmp_path / "lex.bin")
    rows = [[*row, 0] for row in random_rows(9, 97, seed=2)]
    shortlist = Shortlist.of_lists(lists)
    feed = padded(rows, padding=96)
    output = model.generate(
        **{k: torch.tensor(v) for k, v in feed.items()},
        do_sample=False,
        num_beams=beams,
        num_return_sequences=beams,
        max_new_tokens=16,
        prefix_allowed_tokens_fn=lambda row, _: shortlist.of(rows[row]),
        renormalize_logits=True,
    )
    expected = output[:, 1:].numpy().reshape(len(rows), beams, -1)

    graph = session(read_model(tmp_path).build(Scheme()))
    narrow = {"shortlist": native_marian.padded([shortlist.of(row) for row in rows])}
    together, _ = graph.run(None, feed | search(16, len(rows), beams) | narrow)
    np.testing.assert_array_equal(together, expected)
    for i, row in enumerate(rows):
        alone = {"shortlist": native_marian.padded([shortlist.of(row)])}
        found, _ = graph.run(None, padded([row], padding=96) | search(16, 1, beams) | alone)
        width = found.shape[2]
        np.testing.assert_array_equal(found[0], together[i, :, :width])
