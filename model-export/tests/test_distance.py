"""A variant far from the reference is an error, whose figure is told; ties are none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from conftest import MODELS
from streamformer_export import distance, golden
from streamformer_export import verify as verification
from streamformer_export.bundle import CARD, Bundle, Runner
from streamformer_export.distance import Expected
from streamformer_export.errors import ExportError
from streamformer_export.export import Answers, Settings, Variant, export
from streamformer_export.families import Model, read_model
from streamformer_export.quantize import Static
from streamformer_export.weights import Weights

SETTINGS = Settings(name="x", variants=(Variant.FP32,), answers=Answers.GRAPH)


def exported(name: str, folder: Path, *variants: Variant) -> tuple[Bundle, Model, Expected]:
    """A bundle, its model, and what its fp32 graph answers."""
    bundle = export(MODELS / name, folder, replace(SETTINGS, variants=(Variant.FP32, *variants)))
    texts = [(line["text"], line.get("text_pair")) for line in bundle.golden()]
    return bundle, read_model(MODELS / name), golden.write(bundle, MODELS / name, texts, "fp32")


def check(bundle: Bundle, model: Model, variant: Variant, expected: Expected) -> float:
    given = golden.Golden.read(bundle).replay(Runner(bundle, variant))
    return distance.check(bundle, model, variant, expected, given)


@pytest.mark.parametrize("name", ["tiny-sentiment", "tiny-answers", "tiny-embeddings"])
def test_outputs_apart_by_more_than_rounding_are_refused(name, tmp_path):
    bundle, model, expected = exported(name, tmp_path / "out")
    assert check(bundle, model, Variant.FP32, expected) < 1e-5
    for far in (5e-3, np.nan):
        # Rounding is in proportion to what is rounded.
        by = far * max(1.0, max(np.abs(output).max() for one in expected.answers for output in one))
        moved = [[output + by for output in one] for one in expected.answers]
        with pytest.raises(ExportError, match=r"fp32 is too far from .*, at most 0.001"):
            check(bundle, model, Variant.FP32, replace(expected, answers=moved))


@pytest.mark.parametrize("name", ["tiny-translation", "tiny-generation"])
def test_other_tokens_are_refused(name, tmp_path):
    bundle, model, expected = exported(name, tmp_path / "out")
    assert check(bundle, model, Variant.FP32, expected) == 0
    at = next(i for i, ids in enumerate(expected.answers) if len(ids) > 3)
    wrong = list(expected.answers)
    wrong[at] = [*wrong[at][:1], (wrong[at][1] + 3) % 40 + 5, *wrong[at][2:]]
    with pytest.raises(ExportError, match=r"too far.*: 1 of \d+ answers have other tokens"):
        check(bundle, model, Variant.FP32, replace(expected, answers=wrong))


def test_a_tie_is_not_far(tmp_path, monkeypatch):
    bundle, model, expected = exported("tiny-translation", tmp_path / "out")
    wrong = [[*ids[:-2], ids[-1]] if len(ids) > 3 else ids for ids in expected.answers]
    assert wrong != expected.answers
    monkeypatch.setattr(distance, "EXACT", 1e9)
    assert check(bundle, model, Variant.FP32, replace(expected, answers=wrong)) == 0


def test_the_card_shows_distance_and_bound(tmp_path):
    settings = replace(SETTINGS, variants=(Variant.INT8,), distance=0.7)
    bundle = export(MODELS / "tiny-sentiment", tmp_path / "out", settings)
    found = bundle.manifest["variants"]["int8"]["evaluation"]
    name = (
        "distance from the reference on the golden texts, share of the outputs' spread "
        "(at most --distance 0.7)"
    )
    assert 0 < found[name] < 0.3
    card = (bundle.folder / CARD).read_text()
    assert f"{name}: {found[name]}" in card
    assert "So fp32 was compared with itself only" in card


@pytest.mark.parametrize("name", ["tiny-sentiment", "tiny-translation"])
def test_int8_that_lost_its_way_is_refused(name, tmp_path, monkeypatch):
    of = Static.__init__

    def far_off(self, ranges):
        of(self, {k: replace(r, scale=r.scale / 100) for k, r in ranges.items()})

    def write(**more):
        settings = replace(SETTINGS, variants=(Variant.INT8,), **more)
        return export(MODELS / name, tmp_path / "out", settings)

    monkeypatch.setattr(Static, "__init__", far_off)
    with pytest.raises(ExportError, match=r"int8 is too far from .*at most 0.3.*--distance"):
        write()
    assert not (tmp_path / "out").exists()
    assert write(distance=1000.0).folder.exists()


@pytest.mark.parametrize("name", ["tiny-sentiment", "tiny-translation"])
def test_each_variant_runs_the_golden_texts_once(name, tmp_path, monkeypatch):
    """Its distance, its tolerance and what verify compares are of the same answers."""
    ran = []
    run = Runner.run

    def counted(self, rows, **options):
        ran.extend(rows)
        return run(self, rows, **options)

    monkeypatch.setattr(Runner, "run", counted)
    settings = replace(SETTINGS, variants=(Variant.FP32, Variant.INT8), distance=1000.0)
    bundle = export(MODELS / name, tmp_path / "out", settings)
    texts = golden.Golden.read(bundle)
    # The fp32 graph gives the expected answers too, each text by itself.
    assert len(ran) == 3 * len(texts.rows)
    ran.clear()
    monkeypatch.setattr(verification, "_independence", lambda *_: verification.Check("", True, ""))
    assert all(check.passed for check in verification.verify(bundle.folder))
    assert len(ran) == 2 * len(texts.rows)


@pytest.mark.reference
def test_fp32_is_compared_with_transformers(torch, tmp_path, monkeypatch):
    settings = replace(SETTINGS, answers=Answers.TRANSFORMERS)
    export(MODELS / "tiny-sentiment", tmp_path / "good", settings)
    # Other weights than those of the reference.

    taken = Weights.__getitem__
    monkeypatch.setattr(
        Weights,
        "__getitem__",
        lambda self, n: taken(self, n) * np.float32(1 + 0.1 * ("classifier.w" in n)),
    )
    with pytest.raises(ExportError, match=r"fp32 is too far from transformers.*between outputs"):
        export(MODELS / "tiny-sentiment", tmp_path / "bad", settings)
