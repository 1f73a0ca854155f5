"""A lexical shortlist in a graph: each row may generate some tokens only.

The projection is narrowed to the tokens of all rows; a bias then hides from each row those of its
neighbours, so that its answer stays its own.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from streamformer_export.graph.builder import FLOAT, INT64, Graph
from streamformer_export.graph.layers import HIDDEN


class Candidates(NamedTuple):
    """What the rows of a batch may generate."""

    tokens: str  # (candidates): of all rows, ascending
    bias: str  # (batch, 1, candidates): 0 for a row's own, else HIDDEN


def candidates(g: Graph, vocabulary_size: int) -> Candidates:
    """Adds the input `shortlist` (batch, some): the tokens of each row, -1 after the last."""
    shortlist = g.input("shortlist", INT64, ("batch", "candidates"))
    own = g.op("Slice", shortlist, g.ints(0), g.ints(1), g.ints(1))
    shortlist = g.op("Where", g.op("Less", shortlist, g.int(0)), own, shortlist)
    flat = g.op("Reshape", shortlist, g.ints(-1))
    ones = g.op("Expand", g.int(1), g.op("Shape", flat))
    none = g.shared("shortlist.none", np.zeros(vocabulary_size, np.int64))
    wanted = g.op("ScatterElements", none, flat, ones)
    tokens = g.op("Squeeze", g.op("NonZero", wanted), g.ints(0))
    column = g.op("Sub", g.op("CumSum", wanted, g.int(0)), g.int(1))
    columns = g.op("Gather", column, shortlist)
    rows = g.op("Shape", shortlist, start=0, end=1)
    hidden = g.op("Expand", g.float(HIDDEN), g.op("Concat", rows, g.op("Shape", tokens), axis=0))
    seen = g.op("Expand", g.float(0), g.op("Shape", columns))
    bias = g.op("ScatterElements", hidden, columns, seen, axis=1)
    return Candidates(tokens, g.op("Unsqueeze", bias, g.ints(1)))


TYPE = (FLOAT, 3)
