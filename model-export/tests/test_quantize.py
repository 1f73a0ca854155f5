from __future__ import annotations

import numpy as np
import onnx
import pytest

from conftest import MODELS
from graphs import random_rows
from streamformer_export.calibrate import calibrate
from streamformer_export.families import read_model
from streamformer_export.quantize import (
    WEIGHT_LEVELS,
    Dynamic,
    Static,
    choose_range,
    quantize_columns,
)


def test_columns_are_within_half_a_step():
    weight = np.random.default_rng(0).standard_normal((40, 9)).astype(np.float32)
    values, scales = quantize_columns(weight)
    assert np.abs(values).max() == WEIGHT_LEVELS
    assert (np.abs(values * scales - weight) <= scales / 2 + 1e-6).all()


def test_a_column_of_zeros_stays_zero():
    values, scales = quantize_columns(np.zeros((4, 2), np.float32))
    assert not values.any()
    assert not scales.any()


def test_pairs_of_products_fit_into_16_bits():
    assert np.iinfo(np.int16).max >= 2 * 255 * WEIGHT_LEVELS


@pytest.mark.parametrize("name", sorted(path.name for path in MODELS.iterdir()))
@pytest.mark.parametrize("kind", ["static", "dynamic"])
def test_every_pair_of_a_graph_fits_into_16_bits(name, kind, tmp_path):
    """What processors without VNNI add in 16 bits: two neighbours of a column, times 255 each."""
    model = read_model(MODELS / name)
    scheme = Dynamic()
    if kind == "static":
        scheme = Static(calibrate(model, random_rows(3, 40, seed=0), "test"))
    model.build(scheme).model("test").write(tmp_path / "model.onnx")
    matrices = list(quantized_matrices(onnx.load(tmp_path / "model.onnx").graph))
    assert len(matrices) > 5
    for values in matrices:
        pairs = np.abs(values[:-1].astype(np.int64)) + np.abs(values[1:])
        assert 255 * pairs.max() <= np.iinfo(np.int16).max


def quantized_matrices(graph: onnx.GraphProto, outer: dict[str, onnx.TensorProto] | None = None):
    """Weights (in, out) of all 8-bit products, those of subgraphs too."""
    known = {**(outer or {}), **{tensor.name: tensor for tensor in graph.initializer}}
    for node in graph.node:
        if node.op_type in ("MatMulIntegerToFloat", "DynamicQuantizeMatMul"):
            yield onnx.numpy_helper.to_array(known[node.input[1]])
        for attribute in node.attribute:
            yield from quantized_matrices(attribute.g, known)


def test_range_of_one_sided_values_starts_at_zero():
    values = np.abs(np.random.default_rng(0).standard_normal(1000))
    chosen = choose_range(values)
    assert chosen.zero_point == 0
    assert 255 * chosen.scale <= values.max() * 1.01


def test_range_cuts_a_lone_outlier():
    values = np.random.default_rng(0).standard_normal(100_000)
    values[0] = 12.0
    assert (255 - choose_range(values).zero_point) * choose_range(values).scale < 12.0


def test_range_of_zeros_is_usable():
    assert choose_range(np.zeros(5)).scale > 0
