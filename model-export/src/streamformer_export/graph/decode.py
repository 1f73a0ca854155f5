"""The decode loop as ONNX nodes: beam search as transformers' `generate` has it.

With one beam it is greedy search.

The beams of a row lie side by side in one cache: the keys and values of all of them, step after
step, form one time axis, and a score bias shows each beam only its own ancestors. So no cache is
reordered when beams change, and keys and values of the source exist once per row.

An outer loop holds the rows that are still open; its body runs an inner loop until a quarter of
them is done, writes those into the result and drops them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from streamformer_export.graph.builder import BOOL, DOUBLE, FLOAT, INT64, Graph
from streamformer_export.graph.layers import HIDDEN

# What transformers adds to the score of a hypothesis that must not win.
REFUSED = -1.0e9


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
    one = g.ints(1)
    beams = g.op("Reshape", limits.num_beams, one)
    batch = g.op("Shape", limits.max_new_tokens)
    per_row = g.op("Concat", batch, beams, axis=0)
    candidates = g.op("Mul", beams, g.ints(2))
    # Banned tokens and the end token may be among the best of a beam, and are then passed over.
    per_beam = g.op(
        "Min",
        g.op("Add", candidates, g.ints(len(rules.banned_ids) + 1)),
        g.ints(rules.vocabulary_size),
    )
    only_first = g.op(
        "Where",
        g.op(
            "Equal",
            g.op("Range", g.int(0), g.op("Squeeze", per_beam), g.int(1)),
            g.int(0),
        ),
        g.float(0),
        g.float(-np.inf),
    )
    order = g.op("Range", g.int(0), limits.num_beams, g.int(1))
    same = g.op(
        "Equal",
        g.op("Unsqueeze", order, g.ints(0)),
        g.op("Unsqueeze", order, g.ints(1)),
    )
    own = g.op("Where", same, g.float(0), g.float(HIDDEN))
    first = g.op("Where", g.op("Equal", order, g.int(0)), g.float(0), g.float(REFUSED))
    penalty = g.op("Cast", limits.length_penalty, to=DOUBLE)
    allowed = np.zeros((2, rules.vocabulary_size), np.float32)
    allowed[:, list(rules.banned_ids)] = -np.inf
    allowed[1, rules.end_id] = -np.inf
    allowed = g.shared("decode.allowed", allowed.reshape(-1))

    def filled(value: int | float, dtype: type, *shape: str) -> str:
        return g.op("Expand", g.constant(value, dtype), g.op("Concat", *shape, axis=0))

    start = filled(rules.start_id, np.int64, per_row)
    scores = g.op("Expand", first, per_row)
    history = filled(0, np.int64, per_row, g.ints(0))
    ancestors = filled(0, np.float32, per_row, g.ints(0))
    finished = filled(REFUSED, np.float32, per_row)
    open_rows = filled(True, np.bool_, batch)
    rows = g.op("Range", g.int(0), g.op("Squeeze", batch), g.int(1))

    moving = [
        (start, INT64, 2),
        (scores, FLOAT, 2),
        (history, INT64, 3),
        (ancestors, FLOAT, 3),
        (history, INT64, 3),  # finished sequences
        (finished, FLOAT, 2),
        (open_rows, BOOL, 1),
        *((value, FLOAT, 4) for value in grown),
    ]
    still = [(limits.max_new_tokens, INT64, 1), (rows, INT64, 1), *fixed]

    def outer(g: Graph, states: list[str]) -> tuple[str, list[str]]:
        length, sequences, results, *rest = states
        moving_now = rest[: len(moving)]
        still_now = rest[len(moving) :]
        limit, row, *fixed_now = still_now
        count = g.op("Shape", limit)
        own_now = g.op("Expand", own, g.op("Concat", count, beams, beams, axis=0))
        limit_column = g.op("Unsqueeze", limit, one)
        enough = g.op("Mul", count, g.ints(3))

        def inner(g: Graph, states: list[str]) -> tuple[str, list[str]]:
            (
                position,
                ids,
                scores,
                history,
                ancestors,
                done,
                done_scores,
                open_,
                *caches,
            ) = states
            seen = g.op("Concat", ancestors, own_now, axis=2)
            logits, caches = step(
                g, ids, position, g.op("Unsqueeze", seen, one), [*caches, *fixed_now]
            )
            early = g.op("Cast", g.op("Less", position, limits.min_new_tokens), to=INT64)
            if rules.renormalize:
                logits = g.op(
                    "Add",
                    logits,
                    g.op("Gather", g.op("Reshape", allowed, g.ints(2, -1)), early),
                )
            logits = g.op("LogSoftmax", logits, axis=-1)
            values, tokens = g.op("TopK", logits, per_beam, outputs=2, axis=-1)
            ban = g.op(
                "Gather",
                allowed,
                g.op("Add", tokens, g.op("Mul", early, g.int(rules.vocabulary_size))),
            )
            position = g.op("Add", position, g.int(1))
            at_limit = g.op("GreaterOrEqual", position, limit_column)
            values = g.op("Add", values, ban)
            if rules.force_end:
                last = g.op("Unsqueeze", at_limit, g.ints(2))
                values = g.op("Where", last, only_first, values)
                tokens = g.op("Where", last, g.int(rules.end_id), tokens)
            values = g.op("Add", values, g.op("Unsqueeze", scores, g.ints(2)))
            flat = g.op("Concat", count, g.ints(-1), axis=0)
            best, index = g.op(
                "TopK", g.op("Reshape", values, flat), candidates, outputs=2, axis=-1
            )
            token = g.op("GatherElements", g.op("Reshape", tokens, flat), index, axis=1)
            beam = g.op("Div", index, per_beam)
            hits = g.op("Or", g.op("Equal", token, g.int(rules.end_id)), at_limit)
            norm = g.op(
                "Cast",
                g.op("Pow", g.op("Cast", position, to=DOUBLE), penalty),
                to=FLOAT,
            )

            # The best that go on.
            running = g.op("Where", hits, g.op("Add", best, g.float(REFUSED)), best)
            scores, chosen = g.op("TopK", running, beams, outputs=2, axis=-1)
            ids = g.op("GatherElements", token, chosen, axis=1)
            parent = g.op("Unsqueeze", g.op("GatherElements", beam, chosen, axis=1), g.ints(2))
            grown_history = g.op(
                "Concat",
                g.op("GatherND", history, parent, batch_dims=1),
                g.op("Unsqueeze", ids, g.ints(2)),
                axis=2,
            )
            ancestors = g.op("GatherND", seen, parent, batch_dims=1)

            # Those that are done compete with the earlier ones.
            def top(value: str) -> str:
                return g.op("Slice", value, g.ints(0), beams, one)

            ended = g.op("And", top(hits), g.op("Unsqueeze", open_, one))
            score = g.op("Where", ended, g.op("Div", top(best), norm), g.float(REFUSED))
            pool = g.op("Concat", done_scores, score, axis=1)
            new = g.op(
                "Concat",
                g.op(
                    "GatherND",
                    history,
                    g.op("Unsqueeze", top(beam), g.ints(2)),
                    batch_dims=1,
                ),
                g.op("Unsqueeze", top(token), g.ints(2)),
                axis=2,
            )
            longer = g.op(
                "Pad",
                done,
                g.ints(0, 1),
                g.int(rules.padding_id),
                g.ints(2),
            )
            done_scores, kept = g.op("TopK", pool, beams, outputs=2, axis=-1)
            done = g.op(
                "GatherND",
                g.op("Concat", longer, new, axis=1),
                g.op("Unsqueeze", kept, g.ints(2)),
                batch_dims=1,
            )

            # A row is done when its best beam cannot beat its worst hypothesis any more.
            best_running = g.op("ReduceMax", scores, one, keepdims=0)
            worst = g.op("ReduceMin", done_scores, one, keepdims=0)
            hope = g.op("Greater", g.op("Div", best_running, norm), worst)
            open_ = g.op(
                "And",
                g.op("And", open_, hope),
                g.op("Not", g.op("Squeeze", at_limit, one)),
            )
            still_open = g.op("ReduceSum", g.op("Cast", open_, to=INT64), g.ints(0), keepdims=1)
            go_on = g.op("Greater", g.op("Mul", still_open, g.ints(4)), enough)
            return g.op("Squeeze", go_on), [
                position,
                ids,
                scores,
                grown_history,
                ancestors,
                done,
                done_scores,
                open_,
                *caches,
            ]

        length, *moved = g.loop(
            [
                (length, INT64, 0),
                *(
                    (value, type_, rank)
                    for value, (_, type_, rank) in zip(moving_now, moving, strict=True)
                ),
            ],
            inner,
            name="decode.steps",
            condition=g.constant(True, np.bool_),
        )
        done, done_scores, open_ = moved[4:7]
        closed = g.op("Not", open_)
        target = g.op("Unsqueeze", g.op("Compress", row, closed, axis=0), one)
        gap = g.op(
            "Sub",
            g.op("Shape", done, start=2, end=3),
            g.op("Shape", sequences, start=2, end=3),
        )
        sequences = g.op(
            "Pad",
            sequences,
            g.op("Concat", g.ints(0), gap, axis=0),
            g.int(rules.padding_id),
            g.ints(2),
        )
        sequences = g.op("ScatterND", sequences, target, g.op("Compress", done, closed, axis=0))
        results = g.op("ScatterND", results, target, g.op("Compress", done_scores, closed, axis=0))
        left = [g.op("Compress", value, open_, axis=0) for value in [*moved, *still_now]]
        any_left = g.op(
            "Greater",
            g.op("ReduceSum", g.op("Cast", open_, to=INT64), keepdims=0),
            g.int(0),
        )
        return any_left, [length, sequences, results, *left]

    _, sequences, results, *_ = g.loop(
        [
            (g.int(0), INT64, 0),
            (history, INT64, 3),
            (finished, FLOAT, 2),
            *moving,
            *still,
        ],
        outer,
        name="decode.rows",
        condition=g.constant(True, np.bool_),
    )
    # Open hypotheses may have been longer than the best ones.
    used = g.op("Not", g.op("Equal", sequences, g.int(rules.padding_id)))
    used = g.op("ReduceMax", g.op("Cast", used, to=INT64), g.ints(0, 1), keepdims=0)
    last = g.op("Slice", g.op("NonZero", used), g.ints(-1), g.ints(2**31), one)
    longest = g.op("Add", g.op("Squeeze", last, g.ints(0)), one)
    return g.op("Slice", sequences, g.ints(0), longest, g.ints(2)), results
