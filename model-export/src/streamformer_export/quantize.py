"""How the matrices of a graph are stored and multiplied: one scheme per variant.

docs/graphs.md compares the schemes and has the figures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from streamformer_export.errors import ExportError
from streamformer_export.graph.builder import FLOAT, Graph

# Processors without VNNI add pairs of products of uint8 and int8 in 16 bits: 2 x 255 x 63 still
# fits, so that the sums are exact everywhere.
WEIGHT_LEVELS = 63
TABLE_LEVELS = 127

# Shares of the seen range that are tried as the quantized range.
CLIPS = np.linspace(1.0, 0.3, 36)


@dataclass(frozen=True)
class Linear:
    """A linear layer: `weight` (in, out) and `bias` (out)."""

    name: str
    weight: np.ndarray
    bias: np.ndarray

    def bias_of(self, g: Graph) -> str:
        return g.weight(f"{self.name}.bias", self.bias)

    @staticmethod
    def side_by_side(name: str, parts: Sequence[Linear]) -> Linear:
        """One layer that computes several of the same input."""
        weight = np.concatenate([part.weight for part in parts], axis=1)
        return Linear(name, weight, np.concatenate([part.bias for part in parts]))


@dataclass(frozen=True)
class Table:
    """An embedding table: `rows` (entries, width)."""

    name: str
    rows: np.ndarray

    @property
    def projection(self) -> str:
        """Name of the table as the matrix that gives one logit per entry."""
        return f"{self.name}.projection"


class Scheme:
    """float32: what the other schemes change."""

    description = "float32"

    def matmul(self, g: Graph, linear: Linear, x: str) -> str:
        """x (..., in) times the weight; the bias is left to the caller."""
        return g.op("MatMul", x, g.weight(f"{linear.name}.weight", linear.weight))

    def linear(self, g: Graph, linear: Linear, x: str) -> str:
        """x (..., in) times the weight, plus the bias."""
        return g.op("Add", self.matmul(g, linear, x), linear.bias_of(g))

    def clips_negatives(self, linear: Linear) -> bool:
        """Whether the layer takes negative inputs for zero, so that no Relu is needed before it."""
        return False

    def lookup(self, g: Graph, table: Table, ids: str) -> str:
        """Rows of the table: (..., width)."""
        return g.op("Gather", g.shared(table.name, table.rows), ids)

    def project(self, g: Graph, table: Table, x: str, bias: np.ndarray) -> str:
        """x (..., width) times the transposed table, plus `bias` (entries)."""
        logits = g.op("FusedMatMul", x, g.weight(table.name, table.rows), transB=1)
        if not bias.any():
            return logits
        return g.op("Add", logits, g.weight(f"{table.projection}.bias", bias))


class Observer(Scheme):
    """float32 that also gives the input of every matrix product as an output of the graph."""

    def __init__(self) -> None:
        self.seen: dict[str, str] = {}

    def matmul(self, g: Graph, linear: Linear, x: str) -> str:
        self._observe(g, linear.name, x)
        return super().matmul(g, linear, x)

    def project(self, g: Graph, table: Table, x: str, bias: np.ndarray) -> str:
        self._observe(g, table.projection, x)
        return super().project(g, table, x, bias)

    def _observe(self, g: Graph, name: str, x: str) -> None:
        g.output(f"input of {name}", x, FLOAT, (None, None, None))
        self.seen[f"input of {name}"] = name


@dataclass(frozen=True)
class Range:
    """What uint8 stands for: (value - zero_point) x scale."""

    scale: float
    zero_point: int


class Static(Scheme):
    """7-bit weights per column, and activations in 8 bits by a scale that calibration fixed.

    A fixed scale makes each row's answer its own; sums of 8-bit products are exact.
    """

    description = (
        "7-bit weights with a scale per output, 8-bit activations with scales fixed by "
        "calibration, 8-bit embeddings with a scale per row; norms, softmax and a classifier's "
        "head in float32"
    )

    def __init__(self, ranges: Mapping[str, Range]) -> None:
        self._ranges = ranges
        self._quantized: dict[tuple[int, str, Range], str] = {}

    def matmul(self, g: Graph, linear: Linear, x: str) -> str:
        return self._multiply(g, linear.name, linear.weight, x)

    def linear(self, g: Graph, linear: Linear, x: str) -> str:
        return self._multiply(g, linear.name, linear.weight, x, linear.bias_of(g))

    def clips_negatives(self, linear: Linear) -> bool:
        return self._range(linear.name).zero_point == 0

    def project(self, g: Graph, table: Table, x: str, bias: np.ndarray) -> str:
        name = f"{table.projection}.bias"
        added = g.weight(name, bias) if bias.any() else ""
        return self._multiply(g, table.projection, table.rows.T, x, added)

    def lookup(self, g: Graph, table: Table, ids: str) -> str:
        values, scales = quantize_columns(table.rows.T, TABLE_LEVELS)
        rows = g.op("Gather", g.shared(f"{table.name}.quantized", values.T), ids)
        scale = g.op("Gather", g.shared(f"{table.name}.scales", scales[:, None]), ids)
        return g.op("Mul", g.op("Cast", rows, to=FLOAT), scale)

    def _range(self, name: str) -> Range:
        try:
            return self._ranges[name]
        except KeyError:
            raise ExportError(
                f"Calibration has seen the input of every matrix: {name} is missing. This is a bug."
            ) from None

    def _multiply(self, g: Graph, name: str, weight: np.ndarray, x: str, bias: str = "") -> str:
        values, scales = quantize_columns(weight)
        seen = self._range(name)
        scale, zero = g.float(seen.scale), g.constant(seen.zero_point, np.uint8)
        key = (id(g), x, seen)
        if key not in self._quantized:
            self._quantized[key] = g.op("QuantizeLinear", x, scale, zero)
        inputs = [
            self._quantized[key],
            g.weight(f"{name}.quantized", values),
            scale,
            g.weight(f"{name}.scales", scales),
            zero,
        ]
        return g.op("MatMulIntegerToFloat", *inputs, *(["", bias] if bias else []))


def quantize_columns(
    weight: np.ndarray, levels: int = WEIGHT_LEVELS
) -> tuple[np.ndarray, np.ndarray]:
    """Symmetric columns of `weight` (in, out): int8 up to +-levels (in, out), scales (out)."""
    scales = np.abs(weight).max(axis=0) / levels
    safe = np.where(scales == 0, 1, scales)
    return np.rint(weight / safe).astype(np.int8), scales.astype(np.float32)


def choose_range(values: np.ndarray) -> Range:
    """The range that loses least when `values` are rounded to 8 bits, by mean squared error."""
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    if low == high:
        return Range(1.0, 0)
    best, chosen = np.inf, Range(1.0, 0)
    for clip in CLIPS:
        scale = np.float32((high - low) * clip / 255)
        zero = int(np.clip(np.rint(-low * clip / scale), 0, 255))
        rounded = np.clip(np.rint(values / scale) + zero, 0, 255)
        error = float(np.square((rounded - zero) * scale - values).mean())
        if error < best:
            best, chosen = error, Range(float(scale), zero)
    return chosen
