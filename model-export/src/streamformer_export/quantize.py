"""How the matrices of a graph are stored and multiplied: one scheme per variant."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streamformer_export.graph.builder import Graph

# The 8-bit zero that MatMulNBits assumes.
ZERO_POINT = 128


@dataclass(frozen=True)
class Linear:
    """A linear layer: `weight` (in, out) and `bias` (out)."""

    name: str
    weight: np.ndarray
    bias: np.ndarray

    def bias_of(self, g: Graph) -> str:
        return g.weight(f"{self.name}.bias", self.bias)


@dataclass(frozen=True)
class Table:
    """An embedding table: `rows` (entries, width)."""

    name: str
    rows: np.ndarray


class Scheme:
    """float32: what the other schemes change."""

    description = "float32"

    def matmul(self, g: Graph, linear: Linear, x: str) -> str:
        """x (..., in) times the weight; the bias is left to the caller."""
        return g.op("MatMul", x, g.weight(f"{linear.name}.weight", linear.weight))

    def lookup(self, g: Graph, table: Table, ids: str) -> str:
        """Rows of the table: (..., width)."""
        return g.op("Gather", g.weight(table.name, table.rows), ids)

    def project(self, g: Graph, table: Table, x: str) -> str:
        """x (..., width) times the transposed table: (..., entries)."""
        return g.op("FusedMatMul", x, g.weight(table.name, table.rows), transB=1)


class EightBit(Scheme):
    """8-bit weights in blocks along the inputs, activations quantized per row and block.

    The arithmetic is MatMulNBits' accuracy level 4. Each row is quantized by itself, so its
    result never depends on its neighbours. Tables are 8-bit with the same scales.
    """

    description = (
        "8-bit weights and embeddings in blocks; each row's activations are quantized by themselves"
    )

    def __init__(self, block: int = 128) -> None:
        self.block = block

    def _block_size(self, width: int) -> int:
        block = self.block
        while block > 16 and block > width:
            block //= 2
        return block

    def _packed(self, g: Graph, name: str, rows: np.ndarray) -> tuple[str, str, int]:
        block = self._block_size(rows.shape[1])
        packed, scales = quantize_blocks(rows, block)
        return (
            g.weight(f"{name}.quantized", packed),
            g.weight(f"{name}.scales", scales),
            block,
        )

    def _multiply(self, g: Graph, name: str, rows: np.ndarray, x: str) -> str:
        packed, scales, block = self._packed(g, name, rows)
        entries, width = rows.shape
        return g.op(
            "MatMulNBits",
            x,
            packed,
            scales,
            K=width,
            N=entries,
            bits=8,
            block_size=block,
            accuracy_level=4,
        )

    def matmul(self, g: Graph, linear: Linear, x: str) -> str:
        return self._multiply(g, linear.name, linear.weight.T, x)

    def project(self, g: Graph, table: Table, x: str) -> str:
        return self._multiply(g, table.name, table.rows, x)

    def lookup(self, g: Graph, table: Table, ids: str) -> str:
        packed, scales, block = self._packed(g, table.name, table.rows)
        entries, width = table.rows.shape
        blocks = -(-width // block)
        values = g.op("Cast", g.op("Gather", packed, ids), to=1)
        values = g.op("Sub", values, g.float(ZERO_POINT))
        # (..., blocks, block) x (..., blocks, 1)
        scale_rows = g.op("Reshape", scales, g.ints(entries, blocks, 1))
        values = g.op("Mul", values, g.op("Gather", scale_rows, ids))
        values = g.op("Reshape", values, g.ints(0, 0, blocks * block))
        if blocks * block != width:
            values = g.op("Slice", values, g.ints(0), g.ints(width), g.ints(-1))
        return values


def quantize_blocks(rows: np.ndarray, block: int) -> tuple[np.ndarray, np.ndarray]:
    """Symmetric 8-bit blocks of `rows` (entries, width).

    Returns values (entries, blocks, block) around ZERO_POINT, and scales (entries x blocks).
    """
    entries, width = rows.shape
    blocks = -(-width // block)
    padded = np.zeros((entries, blocks * block), np.float32)
    padded[:, :width] = rows
    padded = padded.reshape(entries, blocks, block)
    scales = np.abs(padded).max(axis=2) / 127
    safe = np.where(scales == 0, 1, scales)
    quantized = np.clip(np.rint(padded / safe[:, :, None]), -127, 127) + ZERO_POINT
    return quantized.astype(np.uint8), scales.astype(np.float32).reshape(-1)
