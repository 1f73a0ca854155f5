"""The benchmark: every engine answers every text, and opponents answer what the bundle does."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from streamformer_export import bench, opponents
from streamformer_export.bundle import Bundle
from streamformer_export.datasets import read_data
from streamformer_export.errors import ExportError
from streamformer_export.opponents import Engine

BUNDLES = Path(__file__).parents[2] / "operator/src/test/resources/bundles"
SETTINGS = bench.Settings(batches=(1, 3), beams=(1,), rounds=2, threads=1)


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    table = tmp_path / "texts.tsv"
    lines = ["label\ttext", "positive\ta fine film", "negative\tbad", "positive\tI like it so much"]
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return table


def test_engines_get_all_texts_sorted_and_are_compared_by_their_own_answers(
    monkeypatch: pytest.MonkeyPatch, texts: Path
) -> None:
    bundle = Bundle.read(BUNDLES / "tiny-sentiment")
    data = read_data(str(texts), bundle)
    seen: list[list[int]] = []

    def always_first(rows: list[list[int]], beams: int | None) -> list[np.ndarray]:
        seen.append([len(row) for row in rows])
        return [np.array([1.0, 0.0])] * len(rows)

    monkeypatch.setattr(opponents, "others", lambda *_: [Engine("first label", always_first)])

    found = list(bench.bench(bundle, None, data, SETTINGS))

    assert [(m.batch, m.engine.split()[0]) for m in found] == [
        (batch, name) for batch in (1, 3) for name in ("int8", "fp32", "first")
    ]
    assert all(m.texts_per_second > 0 for m in found)
    assert [m.ratio for m in found if m.engine.startswith("int8")] == [1.0, 1.0]
    labels = bundle.manifest["labels"]
    share = data.expected.count(labels.index(labels[0])) / len(data.texts)
    assert found[-1].figures == {"accuracy": round(share, 4)}
    # A warm-up and two rounds of one batch of all rows, the shortest first.
    assert [rows for rows in seen if len(rows) == 3] == [sorted(seen[-1])] * 3
    assert json.loads(found[-1].json())["batch"] == 3


def test_a_benchmark_without_an_opponent_is_refused(
    monkeypatch: pytest.MonkeyPatch, texts: Path
) -> None:
    both = Bundle.read(BUNDLES / "tiny-sentiment")
    one = {"int8": both.manifest["variants"]["int8"]}
    bundle = Bundle(both.folder, {**both.manifest, "variants": one})
    monkeypatch.setattr(opponents, "others", lambda *_: [])

    with pytest.raises(ExportError, match="none is installed"):
        list(bench.bench(bundle, None, read_data(str(texts), bundle), SETTINGS))


def test_a_translator_s_beams_are_compared_each(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    table = tmp_path / "pairs.tsv"
    table.write_text("the dog\tle chien\na cat\tun chat\n", encoding="utf-8")
    bundle = Bundle.read(BUNDLES / "tiny-translation")
    data = read_data(str(table), bundle)
    monkeypatch.setattr(
        opponents, "others", lambda *_: [Engine("silent", lambda rows, beams: [[] for _ in rows])]
    )

    found = list(bench.bench(bundle, None, data, replace(SETTINGS, batches=(2,), beams=(1, 2))))

    assert [m.beams for m in found if m.engine == "silent"] == [1, 2]
    assert all(m.figures["BLEU (pairs)"] == 0 for m in found if m.engine == "silent")
