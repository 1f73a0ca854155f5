"""The variant fp16: the float32 graph in half precision, compared on the CPU."""

from __future__ import annotations

import json
import shutil

import numpy as np
import onnx
import onnxruntime
import pytest
from safetensors.numpy import load_file, save_file

import tiny_student
from conftest import MODELS
from graphs import optional_inputs, padded, random_rows, search, session
from streamformer_export.calibrate import largest_half
from streamformer_export.errors import ExportError
from streamformer_export.export import Answers, Settings, Variant, export
from streamformer_export.families import read_model
from streamformer_export.graph.options import Option, Options
from streamformer_export.half import HIDDEN, LARGEST, Half, converted
from streamformer_export.verify import verify

FOLDERS = sorted(path.name for path in MODELS.iterdir())
HALF = onnx.TensorProto.FLOAT16


def both(model, options: Options | None = None):
    """Sessions of a model in float32 and in float16, and the latter's ONNX model."""
    scheme = Half()
    graph = model.build(scheme, options) if options else model.build(scheme)
    half = converted(graph.model("test"), scheme)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    return session(graph), half.session(settings), half.proto


def inputs(model, graph: onnxruntime.InferenceSession) -> dict[str, np.ndarray]:
    feed = padded(random_rows(5, 40, seed=0), model.pad_token_id)
    if "token_type_ids" in {value.name for value in graph.get_inputs()}:
        feed["token_type_ids"] = np.zeros_like(feed["input_ids"])
    if model.rules:
        feed |= search(12, 5, num_beams=4) | optional_inputs(graph, 5)
    return feed


def nodes_of(graph: onnx.GraphProto):
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            yield from nodes_of(attribute.g)


def weights_of(graph: onnx.GraphProto):
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield from weights_of(attribute.g)


@pytest.mark.parametrize("name", FOLDERS)
def test_half_is_close_to_float32(name):
    model = read_model(MODELS / name)
    options = None
    if model.rules:
        left_out = {Option.ALIGNMENTS} if model.family == "gpt2" else set()
        options = Options(frozenset(Option) - left_out)
    one, two, _ = both(model, options)
    feed = inputs(model, one)
    for wide, half in zip(one.run(None, feed), two.run(None, feed), strict=True):
        assert wide.dtype == half.dtype
        np.testing.assert_allclose(wide, half, atol=0.02)


def test_a_student_in_half_is_close_to_float32(tmp_path):
    shape = tiny_student.Shape(width=24, heads=3, ffn=40, encoder_layers=2, decoder_layers=2)
    model = read_model(tiny_student.TinyStudent(shape, seed=0).write(tmp_path))
    one, two, _ = both(model)
    feed = padded(random_rows(5, 30, seed=0), model.pad_token_id) | search(12, 5, num_beams=4)
    if model.shortlist:
        feed["shortlist"] = np.tile(np.arange(20), (5, 1))
    for wide, half in zip(one.run(None, feed), two.run(None, feed), strict=True):
        np.testing.assert_allclose(wide, half, atol=0.02)


@pytest.mark.parametrize("name", ["tiny-sentiment", "tiny-summary", "tiny-generation"])
def test_matrices_are_stored_in_half_alone(name):
    *_, half = both(read_model(MODELS / name))
    matrices = [t for t in weights_of(half.graph) if len(t.dims) == 2 and min(t.dims) > 4]
    # Heads, and tables of which a few rows are looked up.
    wide = ("pooler", "classifier", "distances", "position", "wpe")
    left = [t.name for t in matrices if t.data_type == onnx.TensorProto.FLOAT]
    assert [name for name in left if not any(part in name for part in wide)] == []
    assert sum(t.data_type == HALF for t in matrices) > 10


def test_masks_are_within_half(translation_folder):
    *_, half = both(read_model(translation_folder))
    seen = 0
    for node in nodes_of(half.graph):
        if node.op_type == "MultiHeadAttention":
            filled = [a.f for a in node.attribute if a.name == "mask_filter_value"]
            assert filled == [HIDDEN]
            seen += 1
    assert seen > 2
    assert -LARGEST < HIDDEN - 1000
    assert np.exp(np.float32(HIDDEN)) == 0


def changed(folder, tmp_path, name: str, factor: float):
    """The model folder with one tensor multiplied."""
    target = tmp_path / folder.name
    shutil.copytree(folder, target)
    tensors = load_file(target / "model.safetensors")
    tensors[name] = tensors[name].astype(np.float32) * np.float32(factor)
    save_file(tensors, target / "model.safetensors")
    return target


def test_a_weight_beyond_half_is_refused(tmp_path):
    name = "encoder.block.1.layer.1.DenseReluDense.wo.weight"
    model = read_model(changed(MODELS / "tiny-summary", tmp_path, name, 1e7))
    scheme = Half()
    with pytest.raises(
        ExportError, match=r"up to 65504: .*1.*wo\.weight reaches .*fp32 on the GPU"
    ):
        converted(model.build(scheme).model("test"), scheme)


def test_an_activation_beyond_half_is_refused(tmp_path):
    """T5's feed-forward, whose weights fit and whose outputs do not."""
    name = "encoder.block.0.layer.1.DenseReluDense.wo.weight"
    folder = changed(MODELS / "tiny-summary", tmp_path, name, 5e4)
    assert np.abs(load_file(folder / "model.safetensors")[name]).max() < LARGEST
    with pytest.raises(
        ExportError, match=r"block\.0\.layer\.1.*reaches \S+\. Leave --variant fp16"
    ):
        largest_half(read_model(folder), random_rows(3, 40, seed=0), "test")
    settings = Settings(name="tiny", variants=(Variant.FP16,), answers=Answers.GRAPH)
    with pytest.raises(ExportError, match="float16 holds values up to 65504"):
        export(folder, tmp_path / "out", settings)
    assert not (tmp_path / "out").exists()


def test_bundle_with_half_keeps_its_promises(tmp_path):
    for name in ("tiny-sentiment", "tiny-translation"):
        settings = Settings(name=name, variants=(Variant.FP32, Variant.FP16), answers=Answers.GRAPH)
        bundle = export(MODELS / name, tmp_path / name, settings)
        checks = list(verify(bundle.folder))
        assert [check for check in checks if not check.passed] == []
        assert any(check.name == "fp16 on CUDA" for check in checks)
        manifest = json.loads((bundle.folder / "manifest.json").read_text())
        figures = manifest["variants"]["fp16"]["evaluation"]
        assert all(0 <= value < LARGEST for value in figures.values())
