"""Sampling as ONNX nodes: the same seed gives the same sample, whatever the neighbours.

The Gumbel-max trick (Gumbel 1954; Maddison et al. 2014): the largest of log-probability + Gumbel
noise is a sample. The noise of a token comes from a hash of (seed of the row, position, token), so
that no generator's state is carried and no order of computation matters.
"""

from __future__ import annotations

import numpy as np

from streamformer_export.graph.builder import DOUBLE, FLOAT, INT64, UINT32, Graph

# Where the two hashes of a row and a position begin: the fractions of the golden ratio and of the
# square root of 2.
SALTS = (0x9E3779B9, 0x6A09E667)


def sample(
    g: Graph,
    logs: str,
    ids: str,
    *,
    temperature: str,
    top_k: str,
    top_p: str,
    seed: str,
    position: str,
) -> str:
    """Draws a token for each row: where it lies in `logs`, (rows, 1, 1).

    `logs` (rows, 1, tokens) are logits or log-probabilities, -inf where banned; `ids` (tokens) says
    which token each is, or is empty for the whole vocabulary; `seed` (rows).
    """
    scaled = g.op("Div", logs, temperature)
    size = g.op("Squeeze", g.op("Shape", logs, start=2))
    every = g.op("Expand", g.op("Range", g.int(0), size, g.int(1)), g.op("Shape", logs))
    # Sorting a large vocabulary takes longer than all the rest: not where nothing is left out.
    filters = g.op("Or", g.op("Greater", top_k, g.int(0)), g.op("Less", top_p, g.float(1)))
    values, columns = g.branch(
        filters,
        lambda g: kept(g, scaled, top_k, top_p),
        (scaled, every),
        [(FLOAT, 3), (INT64, 3)],
        name="decode.keep",
    )
    tokens = g.op("Gather", ids, columns) if ids else columns
    noisy = g.op("Add", values, gumbel(g, seed, position, tokens))
    best = g.op("ArgMax", noisy, axis=2, keepdims=1)
    return g.op("GatherElements", columns, best, axis=2)


def kept(g: Graph, values: str, top_k: str, top_p: str) -> tuple[str, str]:
    """What may be drawn of `values` (rows, 1, tokens), and where it lies in them: (rows, 1, kept),
    best first, -inf where top_p leaves it out.

    transformers' warpers in their order: top_k (0 keeps all; of equal values at the edge the first
    are kept), then top_p (1 keeps all).
    """
    size = g.op("Shape", values, start=2)
    wanted = g.op("Reshape", top_k, g.ints(1))
    count = g.op("Where", g.op("Greater", wanted, g.ints(0)), wanted, size)
    count = g.op("Min", count, size)
    values, columns = g.op("TopK", values, count, outputs=2, axis=-1)
    # A token stays while it and those behind it sum to more than 1 - top_p.
    rest = g.op("CumSum", g.op("Softmax", values, axis=-1), g.int(2), reverse=1)
    outside = g.op("LessOrEqual", rest, g.op("Sub", g.float(1), top_p))
    outside = g.op("And", outside, g.op("Less", top_p, g.float(1)))
    order = g.op("Range", g.int(0), g.op("Squeeze", count), g.int(1))
    outside = g.op("And", outside, g.op("Greater", order, g.int(0)))
    return g.op("Where", outside, g.float(-np.inf), values), columns


def gumbel(g: Graph, seed: str, position: str, tokens: str) -> str:
    """Noise of the standard Gumbel distribution for `tokens` (rows, 1, tokens)."""
    column = g.op("Unsqueeze", seed, g.ints(1, 2))
    # BitShift knows unsigned numbers only; a Cast keeps the lower bits.
    low = g.op("Cast", column, to=UINT32)
    high = g.op("Div", g.op("Sub", column, g.op("Cast", low, to=INT64)), g.int(2**32))
    words = [low, g.op("Cast", high, to=UINT32), g.op("Cast", position, to=UINT32)]
    token = g.op("Cast", tokens, to=UINT32)
    for salt in SALTS:
        key = g.constant(salt, np.uint32)
        for word in words:
            key = hash32(g, g.op("Add", key, word))
        token = hash32(g, g.op("BitwiseXor", token, key))
    # In the middle of each step, so that neither 0 nor 1 is met.
    uniform = g.op("Add", g.op("Cast", token, to=DOUBLE), g.constant(0.5, np.float64))
    uniform = g.op("Mul", uniform, g.constant(2.0**-32, np.float64))
    exponential = g.op("Cast", g.op("Neg", g.op("Log", uniform)), to=FLOAT)
    return g.op("Neg", g.op("Log", exponential))


def hash32(g: Graph, x: str) -> str:
    """A bijection of uint32 that mixes every bit with every other: lowbias32 of C. Wellons' Hash
    Prospector (2018)."""
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        x = _shifted(g, x, shift)
        x = g.op("Mul", x, g.constant(factor, np.uint32))
    return _shifted(g, x, 16)


def _shifted(g: Graph, x: str, shift: int) -> str:
    moved = g.op("BitShift", x, g.constant(shift, np.uint32), direction="RIGHT")
    return g.op("BitwiseXor", x, moved)
