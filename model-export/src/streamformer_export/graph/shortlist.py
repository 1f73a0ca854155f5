"""A lexical shortlist in a graph: each row may generate some tokens only.

The projection is narrowed to the tokens of all rows; a bias then hides from each row those of its
neighbours, so that its answer stays its own.
"""

from __future__ import annotations

import numpy as np

from streamformer_export.graph.builder import FLOAT, INT64, Graph
from streamformer_export.graph.layers import HIDDEN
from streamformer_export.quantize import Scheme, Table


class NarrowProjection:
    """The output projection of a batch, for the tokens that its rows may generate.

    `tokens` (candidates) are those of all rows, ascending; `bias` (batch, 1, candidates) is the
    projection's own for a row's tokens and HIDDEN for the others.
    """

    TYPE = (FLOAT, 3)

    def __init__(self, g: Graph, scheme: Scheme, table: Table, bias: np.ndarray) -> None:
        """Adds the input `shortlist`; the table has a row for each token, `bias` (tokens)."""
        self._scheme, self._table = scheme, table
        self.tokens, hidden = _candidates(g, len(table.rows))
        bias = g.op("Gather", g.shared(f"{table.projection}.bias", bias), self.tokens)
        self.bias = g.op("Add", hidden, bias)
        self._narrow = scheme.narrow(g, table, self.tokens)

    def logits(self, g: Graph, x: str, bias: str) -> str:
        """x (rows, beams, width) → (rows, beams, candidates); `bias` is that of these rows."""
        return g.op("Add", self._scheme.project_narrow(g, self._table, x, self._narrow), bias)


def _candidates(g: Graph, vocabulary_size: int) -> tuple[str, str]:
    """Adds the input `shortlist` (batch, some): the tokens of each row, -1 after the last.

    Returns the tokens of all rows, and what hides from each those of the others.
    """
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
    return tokens, g.op("Unsqueeze", bias, g.ints(1))
