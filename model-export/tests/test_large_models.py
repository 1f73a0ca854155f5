"""Models whose weights lie in a file beside the graph, and what an export keeps in memory."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from safetensors.numpy import load_file, save_file

from conftest import MODELS
from streamformer_export import quantize
from streamformer_export.attention import look
from streamformer_export.bundle import Bundle, Runner
from streamformer_export.errors import ExportError
from streamformer_export.export import Answers, Settings, Variant, export
from streamformer_export.families import read_model
from streamformer_export.graph import model as graph_model
from streamformer_export.graph.model import ALIGNMENT, OnnxModel, data_file, initializers
from streamformer_export.quantize import Scheme, quantize_columns
from streamformer_export.verify import verify
from streamformer_export.weights import Weights

EVERY = Settings(name="tiny", variants=tuple(Variant), answers=Answers.GRAPH)


@pytest.fixture
def everything_is_large(monkeypatch):
    """Weights lie beside every graph, whatever their size."""
    monkeypatch.setattr(graph_model, "INLINE_BYTES", 0)


@pytest.mark.parametrize("name", ["tiny-sentiment", "tiny-translation", "tiny-generation"])
def test_bundle_of_a_large_model_keeps_its_promises(name, everything_is_large, tmp_path):
    bundle = export(MODELS / name, tmp_path / "out", EVERY)
    for variant in Variant:
        graph = bundle.folder / f"model.{variant}.onnx"
        data = data_file(graph)
        assert {graph.name, data.name} < bundle.manifest["files"].keys()
        beside = [
            {entry.key: entry.value for entry in tensor.external_data}
            for tensor in initializers(onnx.load(graph, load_external_data=False).graph)
            if tensor.data_location == onnx.TensorProto.EXTERNAL
        ]
        assert len(beside) > 5
        assert {where["location"] for where in beside} == {data.name}
        assert not any(int(where["offset"]) % ALIGNMENT for where in beside)
        assert data.stat().st_size >= sum(int(where["length"]) for where in beside)
    assert [check for check in verify(bundle.folder) if not check.passed] == []


def test_large_model_answers_as_a_small_one(tmp_path, monkeypatch):
    one = export(MODELS / "tiny-translation", tmp_path / "one", EVERY)
    monkeypatch.setattr(graph_model, "INLINE_BYTES", 0)
    two = export(MODELS / "tiny-translation", tmp_path / "two", EVERY)
    assert [path.name for path in one.folder.glob("*.data")] == []
    rows = [line["input_ids"] for line in one.golden()]
    assert one.golden() == two.golden()
    for variant in Variant:
        found = (Runner(bundle, variant).run(rows[:8]) for bundle in (one, two))
        for ours, theirs in zip(*found, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_only_what_passes_the_limit_lies_beside(tmp_path, monkeypatch):
    inside = export(MODELS / "tiny-sentiment", tmp_path / "inside", EVERY).folder
    size = (inside / "model.fp16.onnx").stat().st_size
    monkeypatch.setattr(graph_model, "INLINE_BYTES", size)
    folder = export(MODELS / "tiny-sentiment", tmp_path / "both", EVERY).folder
    assert sorted(path.name for path in folder.glob("*.data")) == ["model.fp32.onnx.data"]


def test_a_damaged_data_file_is_refused(everything_is_large, tmp_path):
    bundle = export(MODELS / "tiny-sentiment", tmp_path / "out", EVERY)
    data = bundle.folder / "model.int8.onnx.data"
    content = bytearray(data.read_bytes())
    content[len(content) // 2] ^= 1
    data.write_bytes(content)
    with pytest.raises(ExportError, match=r"SHA-256: model\.int8\.onnx\.data has not"):
        Bundle.read(bundle.folder)


def test_a_graph_that_was_needed_only_meanwhile_leaves_nothing(everything_is_large, tmp_path):
    settings = Settings(name="tiny", variants=(Variant.INT8,), answers=Answers.GRAPH)
    folder = export(MODELS / "tiny-sentiment", tmp_path / "out", settings).folder
    assert sorted(path.name for path in folder.glob("model*")) == [
        "model.int8.onnx",
        "model.int8.onnx.data",
    ]


def test_attention_of_a_large_bundle_is_shown(everything_is_large, tmp_path):
    settings = Settings(name="tiny", variants=(Variant.FP32,), answers=Answers.GRAPH)
    bundle = export(MODELS / "tiny-translation", tmp_path / "out", settings)
    for part in look(bundle.folder, "the dog and the cat"):
        np.testing.assert_allclose(part.probabilities.sum(-1), 1, atol=1e-5)


def test_a_weight_is_let_go_when_it_is_written(tmp_path):
    model = read_model(MODELS / "tiny-translation").build(Scheme()).model("test")
    assert len(model.weights) > 20
    model.write(tmp_path / "model.onnx")
    assert model.weights == {}
    assert OnnxModel.read(tmp_path / "model.onnx").weights == {}


def test_float32_weights_are_views_of_their_file(tmp_path):
    tensors = {
        name: tensor.astype(np.float32)
        for name, tensor in load_file(MODELS / "tiny-sentiment" / "model.safetensors").items()
    }
    tensors["empty"] = np.zeros((0, 3), np.float32)
    save_file(tensors, tmp_path / "model.safetensors")
    weights = Weights(tmp_path)
    for name, tensor in tensors.items():
        found = weights[name]
        assert isinstance(found, np.memmap) or not tensor.size
        np.testing.assert_array_equal(found, tensor)


def test_a_matrix_is_quantized_in_parts_as_in_one(monkeypatch):
    weight = np.random.default_rng(0).standard_normal((24, 50)).astype(np.float32)
    steps = np.full(50, 0.05, np.float32)
    for more in ({}, {"steps": steps}):
        whole = quantize_columns(weight, **more)
        monkeypatch.setattr(quantize, "COLUMNS", 7)
        for ours, theirs in zip(quantize_columns(weight, **more), whole, strict=True):
            np.testing.assert_array_equal(ours, theirs)
        monkeypatch.undo()
