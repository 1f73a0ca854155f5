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
# The same for values that are larger one by one: they pair within four neighbours of a column.
PAIR_LEVELS = 2 * WEIGHT_LEVELS + 2
NEIGHBOURS = 4
TABLE_LEVELS = 127

# What is quantized at once of a matrix: the columns have nothing to do with each other.
COLUMNS = 8192

# Shares of the seen range that are tried as the quantized range.
CLIPS = np.linspace(1.0, 0.3, 36)


@dataclass(frozen=True)
class Linear:
    """A linear layer: `weight` (in, out) and `bias` (out), which some families leave out.

    `use` tells apart the layers that share it. `steps` (out) are there where the weights come in 8
    bits: those of a column are multiples of its step. A `sensitive` layer stays in float32 in the
    schemes that keep such layers.
    """

    name: str
    weight: np.ndarray
    bias: np.ndarray | None
    use: str = ""
    steps: np.ndarray | None = None
    sensitive: bool = False

    @property
    def input(self) -> str:
        """Name of what it gets to see, which calibration observes."""
        return f"{self.name}, {self.use}" if self.use else self.name

    def bias_of(self, g: Graph) -> str:
        """The bias, or the empty name of an input that is left out."""
        return "" if self.bias is None else g.weight(f"{self.name}.bias", self.bias)

    @staticmethod
    def side_by_side(name: str, parts: Sequence[Linear]) -> Linear:
        """One layer that computes several of the same input."""
        if len(parts) == 1:
            return parts[0]
        weight = np.concatenate([part.weight for part in parts], axis=1)
        biases = [part.bias for part in parts]
        bias = None if any(b is None for b in biases) else np.concatenate(biases)
        steps = [part.steps for part in parts]
        joint = None if any(s is None for s in steps) else np.concatenate(steps)
        sensitive = any(part.sensitive for part in parts)
        return Linear(name, weight, bias, steps=joint, sensitive=sensitive)


@dataclass(frozen=True)
class Table:
    """An embedding table: `rows` (entries, width), with `steps` (entries) as a layer's."""

    name: str
    rows: np.ndarray
    steps: np.ndarray | None = None

    @property
    def projection(self) -> str:
        """Name of the table as the matrix that gives one logit per entry."""
        return f"{self.name}.projection"


@dataclass(frozen=True)
class Narrow:
    """Some columns of a projection, as values of a graph."""

    weight: str
    scales: str = ""


class Scheme:
    """float32: what the other schemes change."""

    description = "float32"

    def matmul(self, g: Graph, linear: Linear, x: str) -> str:
        """x (..., in) times the weight; the bias is left to the caller."""
        return g.op("MatMul", x, g.weight(f"{linear.name}.weight", linear.weight))

    def linear(self, g: Graph, linear: Linear, x: str) -> str:
        """x (..., in) times the weight, plus the bias."""
        product = self.matmul(g, linear, x)
        return product if linear.bias is None else g.op("Add", product, linear.bias_of(g))

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

    def head(self, x: str) -> str:
        """Hidden states as a head reads them, which is in float32 in every variant."""
        return x

    def narrow(self, g: Graph, table: Table, tokens: str) -> Narrow:
        """The transposed table's columns of `tokens` (entries) alone."""
        return Narrow(g.op("Gather", g.shared(table.name, table.rows), tokens))

    def project_narrow(self, g: Graph, table: Table, x: str, narrow: Narrow) -> str:
        """x (..., width) times those columns."""
        return g.op("FusedMatMul", x, narrow.weight, transB=1)


class Observer(Scheme):
    """float32 that also gives the input of every matrix product as an output of the graph."""

    def __init__(self) -> None:
        self.seen: dict[str, str] = {}

    def matmul(self, g: Graph, linear: Linear, x: str) -> str:
        self._observe(g, linear.input, x)
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


class Quantized(Scheme):
    """7-bit weights per column; `_product` says where the scales of 8-bit activations come from."""

    # Whether sensitive layers stay in float32.
    keeps_sensitive = True

    def matmul(self, g: Graph, linear: Linear, x: str) -> str:
        if linear.sensitive and self.keeps_sensitive:
            return super().matmul(g, linear, x)
        return self._multiply(g, linear, x)

    def linear(self, g: Graph, linear: Linear, x: str) -> str:
        if linear.sensitive and self.keeps_sensitive:
            return super().linear(g, linear, x)
        return self._multiply(g, linear, x, linear.bias_of(g))

    def project(self, g: Graph, table: Table, x: str, bias: np.ndarray) -> str:
        linear = Linear(table.projection, table.rows.T, bias, steps=table.steps)
        return self._multiply(g, linear, x, linear.bias_of(g) if bias.any() else "")

    def narrow(self, g: Graph, table: Table, tokens: str) -> Narrow:
        values, scales = quantize_columns(table.rows.T, steps=table.steps)
        rows = g.op("Gather", g.shared(f"{table.projection}.quantized", values.T), tokens)
        return Narrow(
            g.op("Transpose", rows, perm=[1, 0]),
            g.op("Gather", g.shared(f"{table.projection}.scales", scales), tokens),
        )

    def project_narrow(self, g: Graph, table: Table, x: str, narrow: Narrow) -> str:
        return self._product(g, table.projection, x, narrow.weight, narrow.scales)

    def lookup(self, g: Graph, table: Table, ids: str) -> str:
        values, scales = quantize_columns(table.rows.T, TABLE_LEVELS, table.steps)
        rows = g.op("Gather", g.shared(f"{table.name}.quantized", values.T), ids)
        scale = g.op("Gather", g.shared(f"{table.name}.scales", scales[:, None]), ids)
        return g.op("Mul", g.op("Cast", rows, to=FLOAT), scale)

    def _multiply(self, g: Graph, linear: Linear, x: str, bias: str = "") -> str:
        values, scales = quantize_columns(linear.weight, steps=linear.steps)
        weight = g.weight(f"{linear.name}.quantized", values)
        scales = g.weight(f"{linear.name}.scales", scales)
        return self._product(g, linear.input, x, weight, scales, bias)

    def _product(
        self, g: Graph, seen: str, x: str, weight: str, scales: str, bias: str = ""
    ) -> str:
        """x (..., in) times the quantized weight (in, out) with its scales (out), plus the bias.

        `seen` is the name of x in calibration.
        """
        raise NotImplementedError


class Static(Quantized):
    """Activations in 8 bits by a scale that calibration fixed.

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

    def clips_negatives(self, linear: Linear) -> bool:
        return not linear.sensitive and self._range(linear.input).zero_point == 0

    def _range(self, name: str) -> Range:
        try:
            return self._ranges[name]
        except KeyError:
            raise ExportError(
                f"Calibration has seen the input of every matrix: {name} is missing. This is a bug."
            ) from None

    def _product(
        self, g: Graph, seen: str, x: str, weight: str, scales: str, bias: str = ""
    ) -> str:
        range_ = self._range(seen)
        scale, zero = g.float(range_.scale), g.constant(range_.zero_point, np.uint8)
        key = (id(g), x, range_)
        if key not in self._quantized:
            self._quantized[key] = g.op("QuantizeLinear", x, scale, zero)
        inputs = [self._quantized[key], weight, scale, scales, zero]
        return g.op("MatMulIntegerToFloat", *inputs, *(["", bias] if bias else []))


class Dynamic(Quantized):
    """Activations in 8 bits by a scale that the operator takes from all rows of a batch.

    Needs no calibration, but a row's neighbours can change its answer. It is there for speed, so
    that sensitive layers are in 8 bits too.
    """

    keeps_sensitive = False
    description = (
        "7-bit weights with a scale per output, 8-bit activations with a scale for the whole "
        "batch, 8-bit embeddings with a scale per row; norms, softmax and a classifier's head in "
        "float32; texts of the same batch can change an answer, so it is never the default"
    )

    def _product(
        self, g: Graph, seen: str, x: str, weight: str, scales: str, bias: str = ""
    ) -> str:
        return g.op("DynamicQuantizeMatMul", x, weight, scales, *(["", bias] if bias else []))


def quantize_columns(
    weight: np.ndarray, levels: int = WEIGHT_LEVELS, steps: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Symmetric columns of `weight` (in, out): int8 up to +-levels (in, out), scales (out).

    A column of multiples of `steps` (out) keeps them exactly where two of them, times 255, still
    fit into 16 bits.
    """
    values, scales = np.empty(weight.shape, np.int8), np.empty(weight.shape[1], np.float32)
    for at in range(0, weight.shape[1], COLUMNS):
        here = slice(at, at + COLUMNS)
        part = None if steps is None else steps[here]
        values[:, here], scales[here] = _quantize(weight[:, here], levels, part)
    return values, scales


def _quantize(
    weight: np.ndarray, levels: int, steps: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    scales = np.abs(weight).max(axis=0) / levels
    if steps is not None:
        whole = np.abs(np.rint(weight / steps))
        kept = whole.max(axis=0) <= 127
        if levels == WEIGHT_LEVELS:
            kept &= _largest_pairs(whole) <= PAIR_LEVELS
        scales = np.where(kept, steps, scales)
    safe = np.where(scales == 0, 1, scales)
    return np.rint(weight / safe).astype(np.int8), scales.astype(np.float32)


def _largest_pairs(values: np.ndarray) -> np.ndarray:
    """Per column of `values` (in, out), the largest sum of two among NEIGHBOURS inputs: (out)."""
    missing = -len(values) % NEIGHBOURS
    groups = np.pad(values, ((0, missing), (0, 0))).reshape(-1, NEIGHBOURS, values.shape[1])
    return np.sort(groups, axis=1)[:, -2:].sum(axis=1).max(axis=0)


def choose_range(values: np.ndarray) -> Range:
    """The range that loses least when `values` are rounded to 8 bits, by mean squared error."""
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    if low == high:
        return Range(1.0, 0)
    best, chosen, lost = np.inf, Range(1.0, 0), np.empty_like(values)
    for clip in CLIPS:
        scale = np.float32((high - low) * clip / 255)
        zero = int(np.clip(np.rint(-low * clip / scale), 0, 255))
        # Each step in place: fresh arrays for all of them take twice as long.
        np.divide(values, scale, out=lost)
        np.rint(lost, out=lost)
        np.clip(lost, -zero, 255 - zero, out=lost)
        lost *= scale
        lost -= values
        error = float(np.square(lost, out=lost).mean())
        if error < best:
            best, chosen = error, Range(float(scale), zero)
    return chosen
