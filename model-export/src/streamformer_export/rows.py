"""The rows that a graph reads of a text: cut to the model's limit, or a context in windows.

The operator cuts alike (io.streamformer.tokenize, schemas/README.md).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tokenizers import Encoding

from streamformer_export.errors import ExportError

# The most tokens that neighbouring windows have in common: transformers' doc_stride.
MOST_STRIDE = 128
# How many times the characters of a text a context may have.
CONTEXT = 16

LEFT, RIGHT = "left", "right"


@dataclass(frozen=True)
class Row:
    """Tokens by column, as an Encoding of tokenizers has them, special tokens included."""

    ids: Sequence[int]
    type_ids: Sequence[int] = ()
    offsets: Sequence[tuple[int, int]] = ()
    special_tokens_mask: Sequence[int] = ()
    # 0 for a token of the text, 1 for one of its pair, None for a special token.
    sequence_ids: Sequence[int | None] = ()
    word_ids: Sequence[int | None] = ()

    @staticmethod
    def of(found: Encoding, *, typed: bool = True) -> Row:
        """The row of an Encoding; not `typed` gives both texts of a pair the type 0."""
        types = found.type_ids if typed else [0] * len(found)
        places, special = found.offsets, found.special_tokens_mask
        return Row(found.ids, types, places, special, found.sequence_ids, found.word_ids)

    def __len__(self) -> int:
        return len(self.ids)

    def select(self, kept: Iterable[int]) -> Row:
        """The tokens at some places, in this order."""
        places = list(kept)
        columns: list[Any] = [
            self.ids,
            self.type_ids,
            self.offsets,
            self.special_tokens_mask,
            self.sequence_ids,
            self.word_ids,
        ]
        return Row(*([column[i] for i in places] for column in columns))


def clip(text: str, most: int, side: str) -> str:
    """The visible stretch that is read of a text with more than `most` UTF-16 units.

    A tokenizer reads a text to its end before it is cut to the model's tokens.
    """
    if len(text.encode("utf-16-le", "surrogatepass")) // 2 <= most:
        return text
    if side == LEFT:
        return clip(text[::-1], most, RIGHT)[::-1]
    hidden = ("Cc", "Zs", "Zl", "Zp")
    start = next(
        (i for i, c in enumerate(text) if unicodedata.category(c) not in hidden), len(text)
    )
    units = text[start:].encode("utf-16-le", "surrogatepass")[: 2 * most]
    return units.decode("utf-16-le", "ignore")


def cut(row: Row, max_tokens: int, side: str, before: int = 0, behind: int | None = None) -> Row:
    """The row without what is too long on one side of its texts, as `longest_first` of
    transformers cuts a pair; special tokens and a template stay.

    `before` is where the text begins in its template, `behind` where the template goes on, in
    characters; None where it does not.
    """
    if len(row) <= max_tokens:
        return row

    def is_text(i: int) -> bool:
        start, end = row.offsets[i]
        return (not before or end > before) and (behind is None or start < behind)

    places = range(len(row))
    first = [i for i in places if row.sequence_ids[i] == 0 and is_text(i)]
    second = [i for i in places if row.sequence_ids[i] == 1]
    frame = len(row) - len(first) - len(second)
    if frame >= max_tokens:
        raise ExportError(
            f"The template and the special tokens of a text have {frame} tokens, the limit is "
            f"{max_tokens}. Shorten the template, or raise --max-tokens."
        )
    gone: set[int] = set()
    kept = _longest_first(len(first), len(second), max_tokens - frame)
    for tokens, count in zip((first, second), kept, strict=True):
        gone.update(tokens[count:] if side == RIGHT else tokens[: len(tokens) - count])
    return row.select(i for i in places if i not in gone)


def _longest_first(first: int, second: int, room: int) -> tuple[int, int]:
    """How many tokens two texts keep: the longer one loses first, of equal ones the second has
    the odd token."""
    short = min(first, second, room // 2)
    return (short, room - short) if first <= second else (room - short, short)


def windows(row: Row, max_tokens: int, side: str) -> list[Row]:
    """The windows of a question and its whole context, those of the side `left` from its end;
    raises ExportError where the question leaves no room for a token of the context."""
    context = [i for i, sequence in enumerate(row.sequence_ids) if sequence == 1]
    first, behind = (context[0], context[-1] + 1) if context else (len(row), len(row))
    question = len(row) - (behind - first)
    room = max_tokens - question
    if room < 1 and context:
        raise too_long(question, max_tokens)
    shared = stride(max_tokens, room)
    starts = range(first, max(behind - shared, first + 1), max(room - shared, 1))
    spans = [(start, min(start + room, behind)) for start in starts]
    if side == LEFT:
        spans = [(first + behind - end, first + behind - start) for start, end in spans]
    after = range(behind, len(row))
    return [row.select([*range(first), *range(*span), *after]) for span in spans]


def too_long(question: int, max_tokens: int) -> ExportError:
    """What a question of that many tokens, special tokens included, ends with."""
    return ExportError(
        f"A question with a token of its context fits into {max_tokens} tokens: it has "
        f"{question} without. Shorten it, or export with a larger --max-tokens; for a question of "
        "the built-in golden texts, give others with --golden-texts."
    )


def stride(max_tokens: int, room: int) -> int:
    """Tokens that neighbouring windows share, with `room` for the context in each."""
    return min(MOST_STRIDE, max_tokens // 2, room // 2)
