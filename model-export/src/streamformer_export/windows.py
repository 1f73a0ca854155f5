"""The context of a question in windows, as the operator reads it (schemas/README.md)."""

from __future__ import annotations

from dataclasses import dataclass

from tokenizers import Encoding

from streamformer_export.errors import ExportError

# The most tokens that neighbouring windows have in common: transformers' doc_stride.
MOST_STRIDE = 128
# How many times the characters of a text a context may have.
CONTEXT = 16


@dataclass(frozen=True)
class Window:
    """A question with a stretch of its context, as an Encoding has them."""

    ids: list[int]
    type_ids: list[int]
    offsets: list[tuple[int, int]]
    special_tokens_mask: list[int]
    sequence_ids: list[int | None]

    def __len__(self) -> int:
        return len(self.ids)


def windows(found: Encoding, max_tokens: int) -> list[Window]:
    """The windows of a question and its whole context; raises ExportError where the question leaves
    no room for a token of the context."""
    context = [i for i, sequence in enumerate(found.sequence_ids) if sequence == 1]
    first, behind = (context[0], context[-1] + 1) if context else (len(found), len(found))
    question = len(found) - (behind - first)
    room = max_tokens - question
    if room < 1 and context:
        raise ExportError(
            f"A question with a token of its context fits into {max_tokens} tokens: it has "
            f"{question} without. Shorten it, or export with a larger --max-tokens."
        )
    stride = min(MOST_STRIDE, max_tokens // 2, room // 2)
    after = range(behind, len(found))
    starts = range(first, max(behind - stride, first + 1), max(room - stride, 1))
    return [
        _window(found, [*range(first), *range(at, min(at + room, behind)), *after]) for at in starts
    ]


def _window(found: Encoding, kept: list[int]) -> Window:
    columns = (
        found.ids,
        found.type_ids,
        found.offsets,
        found.special_tokens_mask,
        found.sequence_ids,
    )
    return Window(*([column[i] for i in kept] for column in columns))
