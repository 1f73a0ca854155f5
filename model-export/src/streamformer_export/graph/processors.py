"""transformers' logits processors that look at what a beam has generated, as ONNX nodes.

They need the whole row of values: a penalty below 1 lifts tokens that were not among the best, and
how many tokens the n-grams ban grows with the text.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streamformer_export.graph.builder import BOOL, INT64, Graph
from streamformer_export.graph.search_state import NO_TOKEN


def penalize_repetition(
    g: Graph, logits: str, logs: str, columns: str, penalty: str, greedy: str
) -> str:
    """RepetitionPenaltyLogitsProcessor (Keskar et al. 2019): `logs` with seen tokens penalized.

    `logits`, `logs` (rows, beams, vocabulary): the logits and their LogSoftmax. `columns` (rows,
    beams, seen): where the tokens seen so far lie in them. As transformers has it, greedy search
    penalizes the logit and beam search the log-probability.
    """
    log = g.op("GatherElements", logs, columns, axis=2)
    logit = g.op("GatherElements", logits, columns, axis=2)
    value = g.op("Where", greedy, logit, log)
    penalized = g.op(
        "Where",
        g.op("Less", value, g.float(0)),
        g.op("Mul", value, penalty),
        g.op("Div", value, penalty),
    )
    # What turned the logit into a log-probability; zero where that was penalized itself.
    shifted = g.op("Add", penalized, g.op("Sub", log, value))
    return g.op("ScatterElements", logs, columns, shifted, axis=2)


def repeated_ngrams(g: Graph, seen: str, size: str) -> str:
    """NoRepeatNGramLogitsProcessor: which of the tokens so far would repeat an n-gram if they came
    next, (rows, beams, seen).

    `seen` (rows, beams, seen) are the tokens so far, at least one; `size` (): n, where 0 bans
    nothing.
    """
    count = g.op("Squeeze", g.op("Shape", seen, start=2))
    position = g.op("Range", g.int(0), count, g.int(1))
    back = g.op("Max", g.op("Sub", size, g.int(1)), g.int(0))
    # At least one, which sizes 0 and 1 pass over: CUDA refuses to reduce an axis of length 0.
    steps = g.op("Range", g.int(1), g.op("Max", size, g.int(2)), g.int(1))
    # The n - 1 tokens in front of each position, and those in front of the next one.
    at = g.op("Sub", g.op("Unsqueeze", position, g.ints(1)), steps)
    before = g.op("Gather", seen, g.op("Max", at, g.int(0)), axis=2)
    last = g.op("Max", g.op("Sub", count, steps), g.int(0))
    prefix = g.op("Unsqueeze", g.op("Gather", seen, last, axis=2), g.ints(2))
    differing = g.op("Not", g.op("Equal", before, prefix))
    differing = g.op("And", differing, g.op("LessOrEqual", steps, back))
    differing = g.op("ReduceSum", g.op("Cast", differing, to=INT64), g.ints(3), keepdims=0)
    whole = g.op("GreaterOrEqual", position, back)
    repeats = g.op("And", g.op("Equal", differing, g.int(0)), whole)
    return g.op("And", repeats, g.op("Greater", size, g.int(0)))


def completed_words(g: Graph, seen: str, words: Sequence[tuple[int, ...]]) -> str:
    """NoBadWordsLogitsProcessor: which words the next token would complete, (rows, beams, words).

    `seen` (rows, beams, seen) are the tokens so far. A word has at least two tokens.
    """
    longest = max(map(len, words)) - 1
    # The last tokens, in front of which there may be none.
    last = g.op("Pad", seen, g.ints(longest, 0), g.int(NO_TOKEN), g.ints(2))
    last = g.op("Slice", last, g.ints(-longest), g.ints(2**31), g.ints(2))
    prefixes = np.full((len(words), longest), NO_TOKEN, np.int64)
    for prefix, word in zip(prefixes, words, strict=True):
        prefix[1 - len(word) :] = word[:-1]
    same = g.op("Equal", g.op("Unsqueeze", last, g.ints(2)), g.constant(prefixes, np.int64))
    same = g.op("Or", same, g.constant(prefixes == NO_TOKEN, np.bool_))
    whole = g.op("ReduceMin", g.op("Cast", same, to=INT64), g.ints(3), keepdims=0)
    return g.op("Cast", whole, to=BOOL)
