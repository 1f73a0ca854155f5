"""BLEU beside chrF, and what is said where BLEU has no meaning."""

from __future__ import annotations

import json
import shutil

import pytest
from typer.testing import CliRunner

from streamformer_export.bundle import Bundle
from streamformer_export.cli import app
from streamformer_export.translation_scores import translation_scores
from streamformer_export.verify import verify

SHORT = ["Oui.", "Non merci", "un chat"]
LONGER = [*SHORT, "Le chien dort bien."]


def test_short_lines_have_no_bleu_but_chrf():
    """sacreBLEU 2.6 on three perfect translations of at most three words."""
    scores = translation_scores(SHORT, SHORT)
    assert (scores.bleu, scores.chrf) == (0, pytest.approx(100))
    assert scores.note.startswith("BLEU says nothing here: it compares runs of 4 words")
    scores = translation_scores(LONGER, LONGER)
    assert (scores.bleu, scores.chrf, scores.note) == (pytest.approx(100), pytest.approx(100), "")


def test_bad_translations_are_no_excuse():
    """Nothing but the references decides: a model that says little has a BLEU of 0 rightly."""
    assert translation_scores(["Le"] * 4, LONGER).note == ""


def test_chrf_is_sacrebleus():
    scores = translation_scores(["le chat", "un chien"], ["le chat noir", "un chien"])
    # sacrebleu.corpus_chrf of the same.
    assert scores.chrf == pytest.approx(68.51353405990432)
    assert scores.chrf_signature.startswith("nrefs:1|case:mixed|eff:yes|nc:6|nw:0")


@pytest.mark.parametrize(("target", "said"), [("le chien", True), ("le chien dort bien .", False)])
def test_evaluate_writes_both_and_says_so(bundles, tmp_path, target, said):
    folder = tmp_path / "bundle"
    shutil.copytree(bundles / "tiny-translation", folder)
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text(f"the dog\t{target}\n" * 3)
    arguments = ["evaluate", str(folder), "--data", f"x={pairs}", "--variant", "fp32", "--write"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    figures = json.loads((folder / "manifest.json").read_text())["variants"]["fp32"]["evaluation"]
    card = (folder / "README.md").read_text()
    beams = Bundle.read(folder).manifest["decoding"]["num_beams"]
    assert {f"BLEU (x, beam {beams})", f"chrF (x, beam {beams})"} <= figures.keys()
    assert f"chrF (x, beam {beams})" in card
    for text in (result.output, card):
        assert ("BLEU says nothing here" in text) == said
    assert [check for check in verify(folder) if not check.passed] == []
