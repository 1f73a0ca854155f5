"""What a search is told of its model, and what its rows carry from step to step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from streamformer_export.graph.builder import BOOL, FLOAT, INT64

# The score of a hypothesis that must not win, as in transformers.
REFUSED = -1.0e9

# Stands where a row has no token: before its prompt, and after a finished hypothesis. A model may
# generate its padding token, so that padding tells neither.
NO_TOKEN = -1


@dataclass(frozen=True)
class Rules:
    """What a model's generation configuration fixes."""

    vocabulary_size: int
    start_id: int
    # Each of them ends a hypothesis.
    end_ids: tuple[int, ...]
    padding_id: int
    banned_ids: tuple[int, ...] = ()
    # Sequences of two tokens or more whose last one is banned after the others.
    banned_words: tuple[tuple[int, ...], ...] = ()
    # Banned as the first token, or as the second where the first is forced.
    banned_first_ids: tuple[int, ...] = ()
    # The first token that is generated, where the caller gives no other.
    forced_bos_id: int | None = None
    # When a row stops: as transformers' early_stopping, False, True or "never".
    early_stopping: bool | str = False
    # The last token that a row's limit allows, where it is forced.
    forced_end_id: int | None = None
    # Log-probabilities are taken after tokens were banned.
    renormalize: bool = False
    # Each row has its own min_new_tokens.
    minimum_per_row: bool = False

    @property
    def end_id(self) -> int:
        """The token that ends an input too."""
        return self.end_ids[0]


class Prompt(NamedTuple):
    """What a decoder without an encoder has read already, right-padded: (batch, source) each.

    Its keys and values are the first of the `grown` caches; its last token is the first step's
    input.
    """

    ids: str
    mask: str


class State(NamedTuple):
    """What every row carries from step to step."""

    ids: str  # (rows, beams): the last tokens
    scores: str  # (rows, beams): sums of log-probabilities
    history: str  # (rows, beams, time)
    ancestors: str  # (rows, beams, cached): 0 where a beam sees a cached token, else HIDDEN
    done: str  # (rows, beams, time): hypotheses that ended, best first, padded
    done_scores: str  # (rows, beams): their scores, REFUSED where there is none yet
    open: str  # (rows): whether the row goes on
    # Where they are asked for:
    token_scores: str = ""  # (rows, beams, time): log-probability of each token of the history
    done_token_scores: str = ""  # (rows, beams, time): of each token of the hypotheses

    def values(self) -> list[tuple[str, int, int]]:
        """What is carried, with element type and rank."""
        return [(v, *t) for v, t in zip(self, STATE_TYPES, strict=True) if v]


STATE_TYPES = (
    (INT64, 2),
    (FLOAT, 2),
    (INT64, 3),
    (FLOAT, 3),
    (INT64, 3),
    (FLOAT, 2),
    (BOOL, 1),
    (FLOAT, 3),
    (FLOAT, 3),
)


class RowInputs(NamedTuple):
    """What a caller gives each row, in the rows that are still open."""

    limit: str  # (rows)
    minimum: str  # (rows), or empty where all rows have the same
    row: str  # (rows): its number in the batch
    forced_bos: str  # (rows), or empty
    seed: str  # (rows), or empty

    def values(self) -> list[tuple[str, int, int]]:
        return [(v, INT64, 1) for v in self if v]

    def moved(self, values: list[str]) -> RowInputs:
        """The same with the names that they have in another graph."""
        names = iter(values)
        return RowInputs(*(next(names) if v else "" for v in self))
