"""The decode loop as ONNX nodes: beam search as transformers' `generate` has it.

With one beam it is greedy search: the best token that ends is the hypothesis, and no other can beat
it. A branch of its own for greedy search had fewer nodes, but cost as much as it saved.

The beams of a row lie side by side in one cache: the keys and values of all of them, step after
step, form one time axis, and a score bias shows each beam only its own ancestors. So no cache is
reordered when beams change, and keys and values of the source exist once per row.

An outer loop holds the rows that are still open. Its body runs an inner loop until a quarter of
them is done, writes those into the result and drops them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from streamformer_export.graph.builder import BOOL, DOUBLE, FLOAT, INT64, Graph
from streamformer_export.graph.layers import HIDDEN

# The score of a hypothesis that must not win, as in transformers.
REFUSED = -1.0e9

# The inner loop goes on while more than this share of its rows is open.
OPEN_SHARE = 0.75

# (graph, ids (rows, beams), position (), score bias (rows, 1, beams, time), caches)
# → logits (rows, beams, vocabulary), grown caches
Step = Callable[[Graph, str, str, str, list[str]], tuple[str, list[str]]]


@dataclass(frozen=True)
class Rules:
    """What a model's generation configuration fixes."""

    vocabulary_size: int
    start_id: int
    end_id: int
    padding_id: int
    banned_ids: tuple[int, ...] = ()
    # The last token that a row's limit allows is the end token.
    force_end: bool = False
    # Log-probabilities are taken after tokens were banned.
    renormalize: bool = False


@dataclass(frozen=True)
class Limits:
    """Names of the inputs that a caller sets for each run."""

    max_new_tokens: str
    min_new_tokens: str
    num_beams: str
    length_penalty: str


class State(NamedTuple):
    """What every row carries from step to step."""

    ids: str  # (rows, beams): the last tokens
    scores: str  # (rows, beams): sums of log-probabilities
    history: str  # (rows, beams, time)
    ancestors: str  # (rows, beams, cached): 0 where a beam sees a cached token, else HIDDEN
    done: str  # (rows, beams, time): hypotheses that ended, best first, padded
    done_scores: str  # (rows, beams): their scores, REFUSED where there is none yet
    open: str  # (rows): whether the row goes on


STATE_TYPES = (
    (INT64, 2),
    (FLOAT, 2),
    (INT64, 3),
    (FLOAT, 3),
    (INT64, 3),
    (FLOAT, 2),
    (BOOL, 1),
)


def search(
    g: Graph,
    rules: Rules,
    limits: Limits,
    step: Step,
    grown: Sequence[str],
    fixed: Sequence[tuple[str, int, int]],
) -> tuple[str, str]:
    """Adds the search; returns sequences (batch, beams, time) and scores (batch, beams).

    `grown` are the empty self-attention caches (rows, heads, 0, head_dim); `fixed` are what each
    row needs besides (value, type, rank), such as cross-attention keys and values. `step` gets the
    grown caches, then the fixed values.
    """
    return _Search(g, rules, limits, step).add(g, grown, fixed)


class _Search:
    """One search; the attributes are values of the outermost graph, which the bodies see."""

    def __init__(self, g: Graph, rules: Rules, limits: Limits, step: Step) -> None:
        self.rules = rules
        self.limits = limits
        self.step = step
        self.batch = g.op("Shape", limits.max_new_tokens)
        self.beams = g.op("Reshape", limits.num_beams, g.ints(1))
        # The best of all beams, and as many again should the first ones end.
        self.candidates = g.op("Mul", self.beams, g.ints(2))
        # Per beam; banned tokens and the end token may be among them and are passed over.
        self.per_beam = g.op(
            "Min",
            g.op("Add", self.candidates, g.ints(len(rules.banned_ids) + 1)),
            g.ints(rules.vocabulary_size),
        )
        self.beam_order = g.op("Range", g.int(0), limits.num_beams, g.int(1))
        bans = np.zeros((2, rules.vocabulary_size), np.float32)
        bans[:, list(rules.banned_ids)] = -np.inf
        bans[1, rules.end_id] = -np.inf
        self.bans = g.shared("decode.bans", bans[0])
        self.early_bans = g.shared("decode.early_bans", bans[1])
        # Length to the power of the penalty, by position of the last token.
        longest = g.op("ReduceMax", limits.max_new_tokens, g.ints(0), keepdims=0)
        longest = g.op("Max", longest, g.int(1))
        lengths = g.op("Range", g.int(1), g.op("Add", longest, g.int(1)), g.int(1))
        penalty = g.op("Cast", limits.length_penalty, to=DOUBLE)
        norms = g.op("Pow", g.op("Cast", lengths, to=DOUBLE), penalty)
        self.norms = g.op("Cast", norms, to=FLOAT)
        if rules.force_end:
            slots = g.op("Range", g.int(0), g.op("Squeeze", self.per_beam), g.int(1))
            first = g.op("Equal", slots, g.int(0))
            self.only_first = g.op("Where", first, g.float(0), g.float(-np.inf))

    def add(
        self, g: Graph, grown: Sequence[str], fixed: Sequence[tuple[str, int, int]]
    ) -> tuple[str, str]:
        start = self._start(g)
        moving = [
            *((v, *t) for v, t in zip(start, STATE_TYPES, strict=True)),
            *((cache, FLOAT, 4) for cache in grown),
        ]
        rows = g.op("Range", g.int(0), g.op("Squeeze", self.batch), g.int(1))
        still = [(self.limits.max_new_tokens, INT64, 1), (rows, INT64, 1), *fixed]
        types = [(type_, rank) for _, type_, rank in moving]

        def body(g: Graph, states: list[str]) -> tuple[str, list[str]]:
            return self._rows(g, states, types)

        _, sequences, scores, *_ = g.loop(
            [
                (g.int(0), INT64, 0),
                (start.done, INT64, 3),
                (start.done_scores, FLOAT, 2),
                *moving,
                *still,
            ],
            body,
            name="decode.rows",
            condition=g.constant(True, np.bool_),
        )
        return self._cropped(g, sequences), scores

    def _start(self, g: Graph) -> State:
        rows = g.op("Concat", self.batch, self.beams, axis=0)
        empty = g.op("Concat", rows, g.ints(0), axis=0)
        # Beams begin equal: only the first may be continued.
        first = g.op("Equal", self.beam_order, g.int(0))
        scores = g.op("Where", first, g.float(0), g.float(REFUSED))
        none = g.op("Expand", g.int(0), empty)
        return State(
            ids=g.op("Expand", g.int(self.rules.start_id), rows),
            scores=g.op("Expand", scores, rows),
            history=none,
            ancestors=g.op("Expand", g.float(0), empty),
            done=none,
            done_scores=g.op("Expand", g.float(REFUSED), rows),
            open=g.op("Expand", g.constant(True, np.bool_), self.batch),
        )

    def _rows(
        self, g: Graph, states: list[str], types: list[tuple[int, int]]
    ) -> tuple[str, list[str]]:
        """The outer loop's body: steps until rows are done, then drops those."""
        position, sequences, scores, *rest = states
        moving, still = rest[: len(types)], rest[len(types) :]
        limit, row, *fixed = still
        count = g.op("Shape", limit)
        column = g.op("Unsqueeze", limit, g.ints(1))
        same = g.op(
            "Equal",
            g.op("Unsqueeze", self.beam_order, g.ints(0)),
            g.op("Unsqueeze", self.beam_order, g.ints(1)),
        )
        own = g.op(
            "Expand",
            g.op("Where", same, g.float(0), g.float(HIDDEN)),
            g.op("Concat", count, self.beams, self.beams, axis=0),
        )
        flat = g.op("Concat", count, g.ints(-1), axis=0)

        def body(g: Graph, states: list[str]) -> tuple[str, list[str]]:
            return self._step(g, states, fixed, column, own, flat)

        initial = [(position, INT64, 0)]
        initial += [(v, *t) for v, t in zip(moving, types, strict=True)]
        position, *moved = g.loop(
            initial, body, name="decode.steps", condition=g.constant(True, np.bool_)
        )
        state = State(*moved[: len(STATE_TYPES)])
        closed = g.op("Not", state.open)
        target = g.op("Unsqueeze", g.op("Compress", row, closed, axis=0), g.ints(1))
        new_time = g.op("Shape", state.done, start=2)
        more = g.op("Sub", new_time, g.op("Shape", sequences, start=2))
        sequences = g.op(
            "Pad",
            sequences,
            g.op("Concat", g.ints(0), more, axis=0),
            g.int(self.rules.padding_id),
            g.ints(2),
        )
        sequences = g.op(
            "ScatterND", sequences, target, g.op("Compress", state.done, closed, axis=0)
        )
        scores = g.op(
            "ScatterND", scores, target, g.op("Compress", state.done_scores, closed, axis=0)
        )
        left = [g.op("Compress", value, state.open, axis=0) for value in [*moved, *still]]
        any_left = g.op("ReduceMax", g.op("Cast", state.open, to=INT64), keepdims=0)
        return g.op("Cast", any_left, to=BOOL), [position, sequences, scores, *left]

    def _step(
        self, g: Graph, states: list[str], fixed: list[str], limit: str, own: str, flat: str
    ) -> tuple[str, list[str]]:
        """The inner loop's body: one token for each beam of each row."""
        position, *rest = states
        state, caches = State(*rest[: len(STATE_TYPES)]), rest[len(STATE_TYPES) :]
        seen = g.op("Concat", state.ancestors, own, axis=2)
        bias = g.op("Unsqueeze", seen, g.ints(1))
        logits, caches = self.step(g, state.ids, position, bias, [*caches, *fixed])
        norm = g.op("Gather", self.norms, position)
        early = g.op("Less", position, self.limits.min_new_tokens)
        position = g.op("Add", position, g.int(1))
        at_limit = g.op("GreaterOrEqual", position, limit)
        values, tokens = self._best_tokens(g, logits, early, at_limit)

        new = self._choose(g, state, seen, values, tokens, at_limit, norm, flat)
        share = g.op("ReduceMean", g.op("Cast", new.open, to=FLOAT), keepdims=0)
        return g.op("Greater", share, g.float(OPEN_SHARE)), [position, *new, *caches]

    def _best_tokens(self, g: Graph, logits: str, early: str, at_limit: str) -> tuple[str, str]:
        """Log-probabilities and ids of each beam's best tokens: (rows, beams, per_beam)."""
        bans = g.op("Where", early, self.early_bans, self.bans)
        if self.rules.renormalize:
            logits = g.op("Add", logits, bans)
        logs = g.op("LogSoftmax", logits, axis=-1)
        values, tokens = g.op("TopK", logs, self.per_beam, outputs=2, axis=-1)
        values = g.op("Add", values, g.op("Gather", bans, tokens))
        if self.rules.force_end:
            last = g.op("Unsqueeze", at_limit, g.ints(2))
            values = g.op("Where", last, self.only_first, values)
            tokens = g.op("Where", last, g.int(self.rules.end_id), tokens)
        return values, tokens

    def _choose(
        self,
        g: Graph,
        state: State,
        seen: str,
        values: str,
        tokens: str,
        at_limit: str,
        norm: str,
        flat: str,
    ) -> State:
        """The best continuations of each row; what ended among the first joins its hypotheses."""
        values = g.op("Add", values, g.op("Unsqueeze", state.scores, g.ints(2)))
        best, index = g.op(
            "TopK", g.op("Reshape", values, flat), self.candidates, outputs=2, axis=-1
        )
        token = g.op("GatherElements", g.op("Reshape", tokens, flat), index, axis=1)
        beam = g.op("Div", index, self.per_beam)
        ended = g.op("Or", g.op("Equal", token, g.int(self.rules.end_id)), at_limit)

        running = g.op("Where", ended, g.op("Add", best, g.float(REFUSED)), best)
        scores, chosen = g.op("TopK", running, self.beams, outputs=2, axis=-1)
        ids = g.op("GatherElements", token, chosen, axis=1)
        parent = g.op("Unsqueeze", g.op("GatherElements", beam, chosen, axis=1), g.ints(2))
        history = g.op("GatherND", state.history, parent, batch_dims=1)

        def first(value: str) -> str:
            return g.op("Slice", value, g.ints(0), self.beams, g.ints(1))

        joins = g.op("And", first(ended), g.op("Unsqueeze", state.open, g.ints(1)))
        score = g.op("Where", joins, g.op("Div", first(best), norm), g.float(REFUSED))
        done_scores, kept = g.op(
            "TopK",
            g.op("Concat", state.done_scores, score, axis=1),
            self.beams,
            outputs=2,
            axis=-1,
        )
        source = g.op("Unsqueeze", first(beam), g.ints(2))
        new = g.op(
            "Concat",
            g.op("GatherND", state.history, source, batch_dims=1),
            g.op("Unsqueeze", first(token), g.ints(2)),
            axis=2,
        )
        old = g.op("Pad", state.done, g.ints(0, 1), g.int(self.rules.padding_id), g.ints(2))
        pool = g.op("Concat", old, new, axis=1)

        # A row is done when its best beam cannot beat its worst hypothesis any more.
        hope = g.op("Div", g.op("ReduceMax", scores, g.ints(1)), norm)
        better = g.op("Greater", hope, g.op("ReduceMin", done_scores, g.ints(1)))
        better = g.op("And", better, g.op("Not", at_limit))
        return State(
            ids=ids,
            scores=scores,
            history=g.op("Concat", history, g.op("Unsqueeze", ids, g.ints(2)), axis=2),
            ancestors=g.op("GatherND", seen, parent, batch_dims=1),
            done=g.op("GatherND", pool, g.op("Unsqueeze", kept, g.ints(2)), batch_dims=1),
            done_scores=done_scores,
            open=g.op("And", state.open, g.op("Squeeze", better, g.ints(1))),
        )

    def _cropped(self, g: Graph, sequences: str) -> str:
        """Without the last steps of open hypotheses that did not become the best."""
        used = g.op("Not", g.op("Equal", sequences, g.int(self.rules.padding_id)))
        used = g.op("ReduceMax", g.op("Cast", used, to=INT64), g.ints(0, 1), keepdims=0)
        last = g.op("Slice", g.op("NonZero", used), g.ints(-1), g.ints(2**31), g.ints(1))
        longest = g.op("Add", g.op("Squeeze", last, g.ints(0)), g.ints(1))
        return g.op("Slice", sequences, g.ints(0), longest, g.ints(2))
