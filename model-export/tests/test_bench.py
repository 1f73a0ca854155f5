"""The benchmark: every engine answers every text, and opponents answer what the bundle does."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import transformer_base
from streamformer_export import bench, opponents
from streamformer_export.bundle import Bundle
from streamformer_export.datasets import DataSet, read_data
from streamformer_export.errors import ExportError
from streamformer_export.evaluate import evaluate
from streamformer_export.opponents import Engine, Rows, Search
from streamformer_export.profile import costs

MODELS = Path(__file__).with_name("models")
BUNDLES = Path(__file__).parents[2] / "operator/core/src/test/resources/bundles"
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

    def always_first(rows: Rows, search: Search | None) -> list[list[np.ndarray]]:
        assert search is None
        seen.append([len(row) for row in rows])
        return [[np.array([1.0, 0.0])]] * len(rows)

    monkeypatch.setattr(opponents, "others", lambda *_: [Engine("first label", always_first)])

    found = list(bench.bench(bundle, None, data, SETTINGS))

    assert [(m.batch, m.engine.split()[0]) for m in found] == [
        (batch, name) for batch in (1, 3) for name in ("int8", "fp32", "first")
    ]
    assert all(m.texts_per_second > 0 for m in found)
    # Every variant is compared with every opponent, and with no other variant.
    assert [list(m.ratios) for m in found] == [["first label"], ["first label"], []] * 2
    assert all(ratio > 0 for m in found for ratio in m.ratios.values())
    assert "x first label, accuracy" in found[0].line()
    labels = bundle.manifest["labels"]
    share = data.expected.count(labels.index(labels[0])) / len(data.texts)
    assert found[-1].figures == {"accuracy": round(share, 4)}
    # A warm-up and two rounds of one batch of all rows, the shortest first.
    assert [rows for rows in seen if len(rows) == 3] == [sorted(seen[-1])] * 3
    assert json.loads(found[-1].json())["batch"] == 3


def test_pairs_keep_their_token_types_and_figures_are_those_of_the_task(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    table = tmp_path / "pairs.tsv"
    lines = ["labels\ttext\tpair", "toxic,threat\tbad\tugly", "\tgood\tvery good", "insult\tno\tno"]
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    bundle = Bundle.read(BUNDLES / "tiny-toxic")
    data = read_data(str(table), bundle)
    monkeypatch.setattr(
        opponents,
        "others",
        lambda *_: [Engine("none", lambda rows, _: [[-np.ones(4)]] * len(rows))],
    )

    found = list(bench.bench(bundle, None, data, replace(SETTINGS, batches=(3,))))

    assert set(found[0].figures) == {"F1 micro", "F1 macro"}
    for measured in found[:2]:
        variant = measured.engine.split()[0]
        expected = evaluate(bundle, data, variant).figures
        assert measured.figures == {name.split(" (")[0]: v for name, v in expected.items()}
    assert found[2].figures["F1 micro"] == 0
    similarity = Bundle.read(BUNDLES / "tiny-similarity")
    rows, _ = bench.sorted_rows(similarity, DataSet("pairs", ["a dog"], ["a cat"], [[1.0]]))
    assert set(rows[0].type_ids) == {0, 1}


def test_a_benchmark_without_an_opponent_is_refused(
    monkeypatch: pytest.MonkeyPatch, texts: Path
) -> None:
    bundle = Bundle.read(BUNDLES / "tiny-sentiment")
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
        opponents, "others", lambda *_: [Engine("silent", lambda rows, search: [[] for _ in rows])]
    )

    found = list(
        bench.bench(bundle, None, data, replace(SETTINGS, batches=(2,), beams=(1, 2), new_tokens=3))
    )

    silent = [m for m in found if m.engine == "silent"]
    assert [m.beams for m in silent] == [1, 2]
    assert all(m.figures["BLEU (pairs)"] == 0 for m in silent)
    assert [m.same_tokens for m in silent] == [0, 0]
    assert [m.same_tokens for m in found if m.engine.startswith("fp32")] == [1, 1]


@pytest.mark.parametrize("beams", [1, 3])
def test_answers_have_as_many_tokens_as_are_wanted(beams: int) -> None:
    bundle = Bundle.read(BUNDLES / "tiny-translation")
    rows, _ = bench.sorted_rows(bundle, DataSet("texts", ["no", "the dog and the cat"]))
    for engine in opponents.variants(bundle, threads=1):
        found = engine.run(rows, Search(beams, new_tokens=9))
        assert [len(answer) for answer in found] == [9, 9]
        assert bundle.manifest["decoding"]["eos_token_id"] not in np.array(found)


def test_a_profile_counts_each_operator_outside_its_body() -> None:
    def node(name: str, ts: int, dur: int, shapes: tuple = ()) -> dict:
        args = {"op_name": name}
        if shapes:
            args |= {
                "input_type_shape": [shapes[0], {"float": []}],
                "output_type_shape": [shapes[1]],
            }
        return {"cat": "Node", "name": f"{name}_kernel_time", "ts": ts, "dur": dur, "args": args}

    shapes = ({"uint8": [3, 8]}, {"float": [3, 16]})
    events = [
        {"cat": "Session", "name": "model_run", "ts": 0, "dur": 1000},
        node("Loop", 10, 900),
        node("MatMul", 2000, 50, shapes),
        node("Add", 2110, 100),
        node("MatMul", 2250, 150, shapes),
        node("Loop", 2100, 600),
        {"cat": "Session", "name": "model_run", "ts": 2000, "dur": 1000},
    ]

    assert [(c.operator, c.calls, c.milliseconds) for c in costs(events)] == [
        ("Loop", 1, 0.35),
        ("MatMul 8 to 16", 2, 0.2),
        ("Add", 1, 0.1),
    ]


def test_the_profile_of_a_variant_is_a_table_per_setting() -> None:
    bundle = Bundle.read(BUNDLES / "tiny-translation")
    data = DataSet("texts", ["no", "the dog and the cat"])
    settings = replace(SETTINGS, batches=(1, 2), beams=(1, 2), new_tokens=4)

    lines = list(bench.profiles(bundle, "int8", data, settings))

    assert [line for line in lines if line.startswith("int8")] == [
        f"int8, 2 texts in batches of {batch}, {beams} beams"
        for beams in (1, 2)
        for batch in (1, 2)
    ]
    assert any("MatMulIntegerToFloat" in line for line in lines)
    with pytest.raises(ExportError, match="fp16"):
        list(bench.profiles(bundle, "fp16", data, settings))


@pytest.mark.reference
def test_ctranslate2_answers_as_fp32_does(tmp_path: Path) -> None:
    shape = transformer_base.Shape(width=32, heads=4, ffn=48, layers=2, words=90)
    model, out = tmp_path / "model", tmp_path / "bundle"
    transformer_base.write_model(model, shape)
    transformer_base.write_bundle(model, out, shape)
    data = DataSet("random", transformer_base.texts(shape, 5, 7, seed=4))
    settings = replace(SETTINGS, beams=(1, 2), new_tokens=6)

    found = list(bench.bench(Bundle.read(out), model, data, settings))

    assert len(found) == 2 * 2 * 5
    exact = [m for m in found if "CTranslate2" in m.engine and "float32" in m.engine]
    assert [m.same_tokens for m in exact] == [1.0] * 4
    assert [len(m.ratios) for m in found] == [2, 2, 2, 0, 0] * 4


@pytest.mark.reference
def test_classifiers_of_other_engines_answer_as_fp32_does(texts: Path, tmp_path: Path) -> None:
    bundle = Bundle.read(BUNDLES / "tiny-sentiment")
    rows, _ = bench.sorted_rows(bundle, read_data(str(texts), bundle))
    weights = shutil.copytree(MODELS / "tiny-sentiment", tmp_path / "weights")
    path = weights / "tokenizer_config.json"
    names = json.loads(path.read_text()) | {"unk_token": "[UNK]", "pad_token": "[PAD]"}
    path.write_text(json.dumps(names), encoding="utf-8")
    with bench.engines(bundle, weights, threads=1) as engines:
        logits = {e.name: np.array([row[0] for row in e.run(rows, None)]) for e in engines}
    exact = next(value for name, value in logits.items() if name.startswith("fp32"))
    assert len(logits) == 5
    # Without VNNI, products of 8-bit numbers are added in pairs in 16 bits, which may overflow.
    quantized = 0.5 if "vnni" in Path("/proc/cpuinfo").read_text() else 1.0
    for name, value in logits.items():
        apart = 1e-4 if "float32" in name else quantized
        np.testing.assert_allclose(value, exact, atol=apart, err_msg=name)
