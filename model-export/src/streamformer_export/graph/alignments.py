"""Which words of its source an answer looked at."""

from __future__ import annotations

from collections.abc import Callable

from streamformer_export.errors import ExportError
from streamformer_export.graph.builder import Graph
from streamformer_export.graph.layers import seen_attention
from streamformer_export.graph.search_state import Rules

# (graph, ids (rows, time), order (time), caches) → logits (rows, time, vocabulary), each token
# seeing the earlier ones
Read = Callable[[Graph, str, str, list[str]], str]


def alignments(
    g: Graph, rules: Rules, layer: int, read: Read, sequences: str, caches: list[str]
) -> str:
    """Mean over the heads of one layer's cross-attention: (batch, beams, time, source).

    The finished sequences are read once more, all at once. In the loop each step would carry its
    part of them and move it with its beam.
    """
    shape = g.op("Shape", sequences)
    batch, beams, time = g.op("Split", shape, outputs=3, axis=0, num_outputs=3)
    start = g.op("Expand", g.int(rules.start_id), g.op("Concat", batch, beams, g.ints(1), axis=0))
    before = g.op("Slice", sequences, g.ints(0), g.ints(-1), g.ints(2))
    rows = g.op("Concat", g.ints(-1), time, axis=0)
    answers = g.op("Reshape", g.op("Concat", start, before, axis=2), rows)
    if rules.padding_id >= rules.vocabulary_size:
        answers = g.op("Min", answers, g.int(rules.vocabulary_size - 1))
    order = g.op("Range", g.int(0), g.op("Squeeze", time), g.int(1))
    # Each hypothesis is a row of its own here.
    row = g.op("Range", g.int(0), g.op("Squeeze", batch), g.int(1))
    row = g.op("Expand", g.op("Unsqueeze", row, g.ints(1)), g.op("Concat", batch, beams, axis=0))
    row = g.op("Reshape", row, g.ints(-1))
    with g.only() as wanted:
        caches = [g.op("Gather", cache, row, axis=0) for cache in caches]
        with seen_attention() as seen:
            read(g, answers, order, caches)
        cross = [one.probabilities for one in seen if not one.grows]
        if not -len(cross) <= layer < len(cross):
            raise ExportError(
                f"The alignment layer is one of the decoder's {len(cross)}, from 0 on: "
                f"--alignment-layer is {layer}. Choose another."
            )
        mean = g.op("ReduceMean", cross[layer], g.ints(1), keepdims=0)
        source = g.op("Shape", mean, start=2)
        found = g.op("Reshape", mean, g.op("Concat", shape, source, axis=0))
        wanted.append(found)
    return found
