"""The best tokens of each beam: log-probabilities under everything that changes them."""

from __future__ import annotations

import numpy as np

from streamformer_export.graph.builder import FLOAT, INT64, Graph
from streamformer_export.graph.options import Limits
from streamformer_export.graph.processors import (
    completed_words,
    penalize_repetition,
    repeated_ngrams,
)
from streamformer_export.graph.sampling import sample
from streamformer_export.graph.search_state import NO_TOKEN, RowInputs, Rules, State


class TokenScores:
    """How one search rates tokens; its own values are of the outermost graph."""

    def __init__(
        self,
        g: Graph,
        rules: Rules,
        limits: Limits,
        *,
        tokens: str,
        num_beams: str,
        per_beam: str,
        samples: str,
        forces_bos: bool,
        after_prompt: bool,
    ) -> None:
        """`tokens` (logits) are those that the logits stand for, or empty; `per_beam` (1) is how
        many tokens of a beam are wanted; `samples` tells whether rows are sampled."""
        self._rules = rules
        self._limits = limits
        self._tokens = tokens
        self._per_beam = per_beam
        self._samples = samples
        self._after_prompt = after_prompt
        bans = np.zeros((2, rules.vocabulary_size), np.float32)
        bans[:, list(rules.banned_ids)] = -np.inf
        bans[1, list(rules.end_ids)] = -np.inf
        self._bans = g.shared("decode.bans", bans[0])
        self._early_bans = self._bans
        if not rules.minimum_per_row:
            self._early_bans = g.shared("decode.early_bans", bans[1])
        if limits.suppress_tokens:
            never = g.op("Expand", g.float(-np.inf), g.op("Shape", limits.suppress_tokens))
            self._bans, self._early_bans = (
                g.op("ScatterElements", bans, limits.suppress_tokens, never)
                for bans in (self._bans, self._early_bans)
            )
        if rules.forced_end_id is not None or forces_bos or limits.temperature:
            slots = g.op("Range", g.int(0), g.op("Squeeze", per_beam), g.int(1))
            first = g.op("Equal", slots, g.int(0))
            self._only_first = g.op("Where", first, g.float(0), g.float(-np.inf))
        if limits.repetition_penalty:
            self._greedy = g.op("Equal", num_beams, g.int(1))
        # Tokens that some beams may not have next, whose order `_banned_now` follows.
        banned = [
            *(word[-1] for word in rules.banned_words),
            *rules.banned_first_ids,
            *(rules.end_ids if rules.minimum_per_row else ()),
        ]
        self._banned_columns = g.constant(banned, np.int64) if banned else ""
        if tokens and (limits.repetition_penalty or limits.no_repeat_ngram_size or banned):
            # Where each token of the vocabulary is among the logits; -1 where it is not.
            spread = g.op("Expand", g.int(-1), g.ints(rules.vocabulary_size))
            order = g.op("Range", g.int(0), g.op("Squeeze", g.op("Shape", tokens)), g.int(1))
            self._columns = g.op("ScatterElements", spread, tokens, order)
            if banned:
                self._banned_columns = g.op("Gather", self._columns, self._banned_columns)

    def best(
        self,
        g: Graph,
        state: State,
        logits: str,
        given: RowInputs,
        position: str,
        at_limit: str,
    ) -> tuple[str, str]:
        """Log-probabilities and ids of each beam's best tokens: (rows, beams, per_beam)."""
        bans = self._bans
        if not self._rules.minimum_per_row:
            early = g.op("Less", position, self._limits.min_new_tokens)
            bans = g.op("Where", early, self._early_bans, self._bans)
        logs = self._log_probabilities(g, state, logits, bans, given, position)
        values, tokens = g.op("TopK", logs, self._per_beam, outputs=2, axis=-1)
        if self._tokens:
            tokens = g.op("Gather", self._tokens, tokens)
        values = g.op("Add", values, g.op("Gather", bans, tokens))
        if self._limits.temperature:
            values, tokens = self._sampled(g, logs, bans, values, tokens, given.seed, position)
        if given.forced_bos:
            first = g.op("Equal", position, g.int(0))
            forced = g.op("Unsqueeze", given.forced_bos, g.ints(1, 2))
            here = g.op("And", first, g.op("GreaterOrEqual", forced, g.int(0)))
            values = g.op("Where", here, self._only_first, values)
            tokens = g.op("Where", here, forced, tokens)
        if self._rules.forced_end_id is not None:
            last = g.op("Unsqueeze", at_limit, g.ints(2))
            values = g.op("Where", last, self._only_first, values)
            tokens = g.op("Where", last, g.int(self._rules.forced_end_id), tokens)
        return values, tokens

    def _log_probabilities(
        self,
        g: Graph,
        state: State,
        logits: str,
        bans: str,
        given: RowInputs,
        position: str,
    ) -> str:
        """Of every token, with what was generated held against it: (rows, beams, logits)."""
        narrow = bans
        if self._rules.renormalize and self._tokens:
            narrow = g.op("Gather", bans, self._tokens)
        penalty, size = self._limits.repetition_penalty, self._limits.no_repeat_ngram_size
        if not (penalty or size or self._banned_columns):
            if self._rules.renormalize:
                logits = g.op("Add", logits, narrow)
            return g.op("LogSoftmax", logits, axis=-1)
        logs = g.op("LogSoftmax", logits, axis=-1)
        columns = context = state.history
        # As in transformers, the prompt or the start token counts; where logits are those of some
        # tokens only, the start is none of them, unless it is the end token too.
        if self._after_prompt:
            if penalty or size:
                last = g.op("Unsqueeze", state.ids, g.ints(2))
                columns = g.op("Where", g.op("Equal", context, g.int(NO_TOKEN)), last, context)
        elif penalty or size or self._rules.banned_words:
            context = g.op("Pad", context, g.ints(1, 0), g.int(self._rules.start_id), g.ints(2))
            if not self._tokens or self._rules.start_id == self._rules.end_id:
                columns = context
        if penalty:
            near = g.op("Gather", self._columns, columns) if self._tokens else columns
            logs = penalize_repetition(g, logits, logs, near, penalty, self._greedy)
        if size:
            if self._tokens:
                columns = g.op("Gather", self._columns, context)
            logs = self._without(g, logs, repeated_ngrams(g, context, size), columns)
        if self._banned_columns:
            banned = self._banned_now(g, state, context, given, position)
            columns = g.op("Expand", self._banned_columns, g.op("Shape", banned))
            logs = self._without(g, logs, banned, columns)
        if self._rules.renormalize:
            logs = g.op("LogSoftmax", g.op("Add", logs, narrow), axis=-1)
        return logs

    def _banned_now(
        self, g: Graph, state: State, context: str, given: RowInputs, position: str
    ) -> str:
        """Which of the banned columns' tokens a beam may not have next: (rows, beams, banned).

        `context` (rows, beams, time) are all tokens so far.
        """
        rules, parts = self._rules, []

        def of_rows(ban: str, tokens: tuple[int, ...]) -> str:
            """The same ban (rows or 1) for some tokens of every beam."""
            wide = g.op("Concat", g.op("Shape", state.ids), g.ints(len(tokens)), axis=0)
            return g.op("Expand", g.op("Unsqueeze", ban, g.ints(1, 2)), wide)

        if rules.banned_words:
            parts.append(completed_words(g, context, rules.banned_words))
        if rules.banned_first_ids:
            begin = g.ints(0)
            if given.forced_bos:
                forced = g.op("GreaterOrEqual", given.forced_bos, g.int(0))
                begin = g.op("Cast", forced, to=INT64)
            parts.append(of_rows(g.op("Equal", begin, position), rules.banned_first_ids))
        if given.minimum:
            parts.append(of_rows(g.op("Less", position, given.minimum), rules.end_ids))
        return g.op("Concat", *parts, axis=2) if len(parts) > 1 else parts[0]

    def _without(self, g: Graph, logs: str, banned: str, columns: str) -> str:
        """`logs` without the tokens of some columns (rows, beams, some), where they are `banned`;
        column -1 is none of them."""
        if self._tokens:
            banned = g.op("And", banned, g.op("GreaterOrEqual", columns, g.int(0)))
            columns = g.op("Max", columns, g.int(0))
        bans = g.op("Where", banned, g.float(-np.inf), g.float(0))
        return g.op("ScatterElements", logs, columns, bans, axis=2, reduction="add")

    def _sampled(
        self,
        g: Graph,
        logs: str,
        bans: str,
        values: str,
        tokens: str,
        seed: str,
        position: str,
    ) -> tuple[str, str]:
        """`values` and `tokens`; where rows are sampled, the sample is the only one."""

        def draw(g: Graph) -> tuple[str, str]:
            narrow = g.op("Gather", bans, self._tokens) if self._tokens else bans
            column = sample(
                g,
                g.op("Add", logs, narrow),
                self._tokens,
                temperature=self._limits.temperature,
                top_k=self._limits.top_k,
                top_p=self._limits.top_p,
                seed=seed,
                position=position,
            )
            log = g.op("GatherElements", logs, column, axis=2)
            token = g.op("Gather", self._tokens, column) if self._tokens else column
            return (
                g.op("Add", log, self._only_first),
                g.op("Expand", token, g.op("Shape", tokens)),
            )

        types = [(FLOAT, 3), (INT64, 3)]
        return g.branch(self._samples, draw, (values, tokens), types, name="decode.sample")
