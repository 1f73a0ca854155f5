"""The decode loop as ONNX nodes: beam search as transformers' `generate` has it.

With one beam it is greedy search: the best token that ends is the hypothesis, and no other can beat
it. A branch of its own for greedy search had fewer nodes, but cost as much as it saved.

The beams of a row lie side by side in one cache: the keys and values of all of them, step after
step, form one time axis, and a score bias shows each beam only its own ancestors. So no cache is
reordered when beams change, and keys and values of the source exist once per row. A state that each
beam has of its own, such as a recurrent cell, follows its beam instead.

An outer loop holds the rows that are still open. Its body runs an inner loop until a quarter of
them is done, writes those into the result and drops them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from streamformer_export.errors import ExportError
from streamformer_export.graph.alignments import Read, alignments
from streamformer_export.graph.builder import BOOL, DOUBLE, FLOAT, INT64, Graph
from streamformer_export.graph.layers import HIDDEN
from streamformer_export.graph.options import NO_OPTIONS, Limits, Option, Options
from streamformer_export.graph.search_state import (
    NO_TOKEN,
    REFUSED,
    Prompt,
    RowInputs,
    Rules,
    State,
)
from streamformer_export.graph.token_scores import TokenScores

# The inner loop goes on while more than this share of its rows is open.
OPEN_SHARE = 0.75

# (graph, ids (rows, beams), position (), score bias (rows, 1, beams, time), caches)
# → logits (rows, beams, vocabulary), grown and reordered caches
Step = Callable[[Graph, str, str, str, list[str]], tuple[str, list[str]]]


def generate(
    g: Graph,
    rules: Rules,
    limits: Limits,
    step: Step,
    grown: Sequence[str],
    fixed: Sequence[tuple[str, int, int]],
    *,
    options: Options = NO_OPTIONS,
    reordered: Sequence[tuple[str, int, int]] = (),
    tokens: str = "",
    read: Read | None = None,
    prompt: Prompt | None = None,
) -> None:
    """Adds a search and declares its outputs, those of the options included.

    `grown` are the empty self-attention caches (rows, heads, 0, head_dim); `reordered` are states
    (value, type, rank) that each beam has of its own (rows, beams, ...); `fixed` are what each row
    needs besides, in the same form, such as cross-attention keys and values. `step` gets them in
    this order. `tokens` (logits) are the tokens that the logits stand for, where they are not the
    whole vocabulary; the end token is one of them. The options' inputs are declared by
    `decoding_inputs`. `read` is the same decoder reading whole answers, where it has
    cross-attention to look at. With a `prompt` the sequences are what follows it.
    """
    search = _Search(g, rules, limits, step, tokens, Option.TOKEN_SCORES in options, prompt)
    sequences, scores, *token_scores = search.add(g, grown, reordered, fixed)
    g.output("sequences", sequences, INT64, ("batch", "num_beams", "target"))
    g.output("scores", scores, FLOAT, ("batch", "num_beams"))
    for values in token_scores:
        g.output("token_scores", values, FLOAT, ("batch", "num_beams", "target"))
    if Option.ALIGNMENTS in options:
        if read is None:
            raise ExportError(
                "Alignments are the cross-attention of a decoder that reads an answer at once: "
                "this model has none. Export it without alignments."
            )
        caches = [*grown, *(value for value, _, _ in fixed)]
        seen = alignments(g, rules, options.alignment_layer, read, sequences, caches)
        g.output("alignments", seen, FLOAT, ("batch", "num_beams", "target", "source"))


class _Search:
    """One search; the attributes are values of the outermost graph, which the bodies see."""

    def __init__(
        self,
        g: Graph,
        rules: Rules,
        limits: Limits,
        step: Step,
        tokens: str,
        scores_tokens: bool = False,
        prompt: Prompt | None = None,
    ) -> None:
        self.rules = rules
        self.limits = limits
        self.step = step
        self.scores_tokens = scores_tokens
        self.prompt = prompt
        self.remembers = bool(
            limits.repetition_penalty or limits.no_repeat_ngram_size or rules.banned_words
        )
        self.batch = g.op("Shape", limits.max_new_tokens)
        self.num_beams = limits.num_beams
        samples = ""
        if limits.temperature:
            samples = g.op("Greater", limits.temperature, g.float(0))
            self.num_beams = g.op("Where", samples, g.int(1), self.num_beams)
        self.beams = g.op("Reshape", self.num_beams, g.ints(1))
        # The best of all beams, and as many again for each token that may end the first ones.
        self.candidates = g.op("Mul", self.beams, g.ints(1 + len(rules.end_ids)))
        # Per beam; banned tokens and end tokens may be among them and are passed over.
        passed_over = g.ints(len(rules.banned_ids) + len(rules.end_ids))
        if limits.suppress_tokens:
            passed_over = g.op("Add", passed_over, g.op("Shape", limits.suppress_tokens))
        self.per_beam = g.op(
            "Min",
            g.op("Add", self.candidates, passed_over),
            g.op("Shape", tokens) if tokens else g.ints(rules.vocabulary_size),
        )
        self.beam_order = g.op("Range", g.int(0), self.num_beams, g.int(1))
        # Length to the power of the penalty, by position of the last token.
        longest = g.op("ReduceMax", limits.max_new_tokens, g.ints(0), keepdims=0)
        longest = g.op("Max", longest, g.int(1))
        lengths = g.op("Range", g.int(1), g.op("Add", longest, g.int(1)), g.int(1))
        penalty = g.op("Cast", limits.length_penalty, to=DOUBLE)
        norms = g.op("Pow", g.op("Cast", lengths, to=DOUBLE), penalty)
        self.norms = g.op("Cast", norms, to=FLOAT)
        if rules.early_stopping == "never":
            self.favours_long = g.op("Greater", limits.length_penalty, g.float(0))
        self.forced_bos = self._forced_bos(g)
        self.token_scores = TokenScores(
            g,
            rules,
            limits,
            tokens=tokens,
            num_beams=self.num_beams,
            per_beam=self.per_beam,
            samples=samples,
            forces_bos=bool(self.forced_bos),
            after_prompt=prompt is not None,
        )

    def _forced_bos(self, g: Graph) -> str:
        """The first token of each row (rows), -1 where it is free; empty if it always is."""
        given, fixed = self.limits.forced_bos_token_id, self.rules.forced_bos_id
        if fixed is None:
            return given
        if given:
            return g.op("Where", g.op("Less", given, g.int(0)), g.int(fixed), given)
        return g.op("Expand", g.int(fixed), self.batch)

    def add(
        self,
        g: Graph,
        grown: Sequence[str],
        reordered: Sequence[tuple[str, int, int]],
        fixed: Sequence[tuple[str, int, int]],
    ) -> list[str]:
        start = self._start(g)
        self.carried = len(start.values())
        self.grown = len(grown)
        moving = [*start.values(), *((cache, FLOAT, 4) for cache in grown), *reordered]
        rows = g.op("Range", g.int(0), g.op("Squeeze", self.batch), g.int(1))
        limits = self.limits
        minimum = limits.min_new_tokens if self.rules.minimum_per_row else ""
        self.given = RowInputs(limits.max_new_tokens, minimum, rows, self.forced_bos, limits.seed)
        still = [*self.given.values(), *fixed]
        types = [(type_, rank) for _, type_, rank in moving]

        def body(g: Graph, states: list[str]) -> tuple[str, list[str]]:
            return self._rows(g, states, types)

        found = [(start.done, INT64, 3), (start.done_scores, FLOAT, 2)]
        if self.scores_tokens:
            found.append((start.done_token_scores, FLOAT, 3))
        _, *results = g.loop(
            [(g.int(0), INT64, 0), *found, *moving, *still],
            body,
            name="decode.rows",
            condition=g.constant(True, np.bool_),
        )
        return self._cropped(g, results[: len(found)])

    def _start(self, g: Graph) -> State:
        rows = g.op("Concat", self.batch, self.beams, axis=0)
        empty = g.op("Concat", rows, g.ints(0), axis=0)
        # Beams begin equal: only the first may be continued.
        first = g.op("Equal", self.beam_order, g.int(0))
        scores = g.op("Where", first, g.float(0), g.float(REFUSED))
        none = g.op("Expand", g.int(0), empty)
        no_scores = g.op("Expand", g.float(0), empty) if self.scores_tokens else ""
        if self.prompt:
            return self._after_prompt(g, rows, scores, none, no_scores)
        return State(
            ids=g.op("Expand", g.int(self.rules.start_id), rows),
            scores=g.op("Expand", scores, rows),
            history=none,
            ancestors=g.op("Expand", g.float(0), empty),
            done=none,
            done_scores=g.op("Expand", g.float(REFUSED), rows),
            open=g.op("Expand", g.constant(True, np.bool_), self.batch),
            token_scores=no_scores,
            done_token_scores=no_scores,
        )

    def _after_prompt(self, g: Graph, rows: str, scores: str, none: str, no_scores: str) -> State:
        """The start of rows that have read a prompt; what they remember of it stands in front of
        their history."""
        ids, mask = self.prompt
        length = g.op("ReduceSum", mask, g.ints(1))
        width = g.op("Squeeze", g.op("Shape", ids, start=1))
        order = g.op("Range", g.int(0), width, g.int(1))
        last = g.op("Sub", length, g.int(1))
        cached = g.op("Where", g.op("Less", order, last), g.float(0), g.float(HIDDEN))
        wide = g.op("Concat", rows, g.op("Shape", ids, start=1), axis=0)
        history = done = none
        if self.remembers:
            # Padding goes to the front, where nothing is repeated, as no token.
            source = g.op("Sub", g.op("Add", order, length), width)
            moved = g.op("GatherElements", ids, g.op("Max", source, g.int(0)), axis=1)
            moved = g.op("Where", g.op("Less", source, g.int(0)), g.int(NO_TOKEN), moved)
            history = g.op("Expand", g.op("Unsqueeze", moved, g.ints(1)), wide)
            done = g.op("Expand", g.int(NO_TOKEN), wide)
        return State(
            ids=g.op("Expand", g.op("GatherElements", ids, last, axis=1), rows),
            scores=g.op("Expand", scores, rows),
            history=history,
            ancestors=g.op("Expand", g.op("Unsqueeze", cached, g.ints(1)), wide),
            done=done,
            done_scores=g.op("Expand", g.float(REFUSED), rows),
            open=g.op("Expand", g.constant(True, np.bool_), self.batch),
            token_scores=no_scores,
            done_token_scores=no_scores,
        )

    def _rows(
        self, g: Graph, states: list[str], types: list[tuple[int, int]]
    ) -> tuple[str, list[str]]:
        """The outer loop's body: steps until rows are done, then drops those."""
        position, sequences, scores, *rest = states
        token_scores = rest.pop(0) if self.scores_tokens else ""
        moving, still = rest[: len(types)], rest[len(types) :]
        given = self.given.moved(still)
        fixed = still[len(given.values()) :]
        count = g.op("Shape", given.limit)
        column = g.op("Unsqueeze", given.limit, g.ints(1))
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
            return self._step(g, states, fixed, given, column, own, flat)

        initial = [(position, INT64, 0)]
        initial += [(v, *t) for v, t in zip(moving, types, strict=True)]
        position, *moved = g.loop(
            initial, body, name="decode.steps", condition=g.constant(True, np.bool_)
        )
        state = State(*moved[: self.carried])
        closed = g.op("Not", state.open)
        target = g.op("Unsqueeze", g.op("Compress", given.row, closed, axis=0), g.ints(1))
        new_time = g.op("Shape", state.done, start=2)
        more = g.op("Sub", new_time, g.op("Shape", sequences, start=2))
        wider = g.op("Concat", g.ints(0), more, axis=0)

        def write(result: str, done: str) -> str:
            return g.op("ScatterND", result, target, g.op("Compress", done, closed, axis=0))

        sequences = g.op("Pad", sequences, wider, g.int(NO_TOKEN), g.ints(2))
        results = [write(sequences, state.done), write(scores, state.done_scores)]
        if self.scores_tokens:
            token_scores = g.op("Pad", token_scores, wider, g.float(0), g.ints(2))
            results.append(write(token_scores, state.done_token_scores))
        left = [g.op("Compress", value, state.open, axis=0) for value in [*moved, *still]]
        any_left = g.op("ReduceMax", g.op("Cast", state.open, to=INT64), keepdims=0)
        return g.op("Cast", any_left, to=BOOL), [position, *results, *left]

    def _step(
        self,
        g: Graph,
        states: list[str],
        fixed: list[str],
        given: RowInputs,
        limit: str,
        own: str,
        flat: str,
    ) -> tuple[str, list[str]]:
        """The inner loop's body: one token for each beam of each row."""
        position, *rest = states
        state, caches = State(*rest[: self.carried]), rest[self.carried :]
        seen = g.op("Concat", state.ancestors, own, axis=2)
        bias = g.op("Unsqueeze", seen, g.ints(1))
        logits, caches = self.step(g, state.ids, position, bias, [*caches, *fixed])
        norm = g.op("Gather", self.norms, position)
        here = position
        position = g.op("Add", position, g.int(1))
        at_limit = g.op("GreaterOrEqual", position, limit)
        values, tokens = self.token_scores.best(g, state, logits, given, here, at_limit)

        last = ""
        if self.rules.early_stopping == "never":
            last = g.op("Sub", g.op("Max", limit, g.int(1)), g.int(1))
        new, parent = self._choose(g, state, seen, values, tokens, at_limit, norm, last, flat)
        own_states = [g.op("GatherND", c, parent, batch_dims=1) for c in caches[self.grown :]]
        caches = [*caches[: self.grown], *own_states]
        share = g.op("ReduceMean", g.op("Cast", new.open, to=FLOAT), keepdims=0)
        states = [position, *(value for value, _, _ in new.values()), *caches]
        return g.op("Greater", share, g.float(OPEN_SHARE)), states

    def _choose(
        self,
        g: Graph,
        state: State,
        seen: str,
        values: str,
        tokens: str,
        at_limit: str,
        norm: str,
        last: str,
        flat: str,
    ) -> tuple[State, str]:
        """The best continuations of each row; what ended among the first joins its hypotheses.

        Returns the new state, and the beam that each beam continues: (rows, beams, 1).
        """
        own = values
        values = g.op("Add", values, g.op("Unsqueeze", state.scores, g.ints(2)))
        best, index = g.op(
            "TopK", g.op("Reshape", values, flat), self.candidates, outputs=2, axis=-1
        )
        token = g.op("GatherElements", g.op("Reshape", tokens, flat), index, axis=1)
        beam = g.op("Div", index, self.per_beam)
        ended = at_limit
        for end in self.rules.end_ids:
            ended = g.op("Or", g.op("Equal", token, g.int(end)), ended)

        running = g.op("Where", ended, g.op("Add", best, g.float(REFUSED)), best)
        scores, chosen = g.op("TopK", running, self.beams, outputs=2, axis=-1)
        ids = g.op("GatherElements", token, chosen, axis=1)
        parent = g.op("Unsqueeze", g.op("GatherElements", beam, chosen, axis=1), g.ints(2))

        def continued(history: str, beams: str, new: str) -> str:
            history = g.op("GatherND", history, beams, batch_dims=1)
            return g.op("Concat", history, g.op("Unsqueeze", new, g.ints(2)), axis=2)

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

        def best_of(pool: str) -> str:
            return g.op("GatherND", pool, g.op("Unsqueeze", kept, g.ints(2)), batch_dims=1)

        source = g.op("Unsqueeze", first(beam), g.ints(2))
        new = continued(state.history, source, first(token))
        old = g.op("Pad", state.done, g.ints(0, 1), g.int(NO_TOKEN), g.ints(2))
        pool = g.op("Concat", old, new, axis=1)

        # A row is done when its best beam cannot beat its worst hypothesis any more.
        if self.rules.early_stopping == "never":
            norm = g.op("Where", self.favours_long, g.op("Gather", self.norms, last), norm)
        hope = g.op("Div", g.op("ReduceMax", scores, g.ints(1)), norm)
        worst = g.op("ReduceMin", done_scores, g.ints(1))
        better = g.op("Greater", hope, worst)
        if self.rules.early_stopping:
            full = g.op("Greater", worst, g.float(REFUSED))
            if self.rules.early_stopping == "never":
                full = g.op("And", full, g.op("Equal", self.num_beams, g.int(1)))
            better = g.op("And", better, g.op("Not", full))
        better = g.op("And", better, g.op("Not", at_limit))
        token_scores: dict[str, str] = {}
        if self.scores_tokens:
            log = g.op("GatherElements", g.op("Reshape", own, flat), index, axis=1)
            before = state.token_scores
            new = continued(before, source, first(log))
            old = g.op("Pad", state.done_token_scores, g.ints(0, 1), g.float(0), g.ints(2))
            token_scores = {
                "token_scores": continued(
                    before, parent, g.op("GatherElements", log, chosen, axis=1)
                ),
                "done_token_scores": best_of(g.op("Concat", old, new, axis=1)),
            }
        new_state = State(
            ids=ids,
            scores=scores,
            history=continued(state.history, parent, ids),
            ancestors=g.op("GatherND", seen, parent, batch_dims=1),
            done=best_of(pool),
            done_scores=done_scores,
            open=g.op("And", state.open, g.op("Squeeze", better, g.ints(1))),
            **token_scores,
        )
        return new_state, parent

    def _cropped(self, g: Graph, found: list[str]) -> list[str]:
        """Without the last steps of open hypotheses that did not become the best."""
        sequences, scores, *token_scores = found
        if self.prompt and self.remembers:
            source = g.op("Shape", self.prompt.ids, start=1)
            sequences = g.op("Slice", sequences, source, g.ints(2**31), g.ints(2))
        none = g.op("Equal", sequences, g.int(NO_TOKEN))
        sequences = g.op("Where", none, g.int(self.rules.padding_id), sequences)
        used = g.op("Cast", g.op("Not", none), to=INT64)
        used = g.op("ReduceMax", used, g.ints(0, 1), keepdims=0)
        last = g.op("Slice", g.op("NonZero", used), g.ints(-1), g.ints(2**31), g.ints(1))
        longest = g.op("Add", g.op("Squeeze", last, g.ints(0)), g.ints(1))
        cropped = [
            g.op("Slice", value, g.ints(0), longest, g.ints(2))
            for value in (sequences, *token_scores)
        ]
        return [cropped[0], scores, *cropped[1:]]
