"""How far a variant is from the reference on the golden texts, and what is too far.

docs/graphs.md says how the bounds were chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime

from streamformer_export.bundle import Bundle
from streamformer_export.errors import ExportError
from streamformer_export.families import Model
from streamformer_export.quantize import Scheme
from streamformer_export.settings import Variant

# What float32 may differ by: an output, as a share of the largest one where that is above 1, and
# the log-probabilities of two answers that are a tie.
EXACT = 1e-3
# The others' distances: of an encoder, a share of its outputs' spread; of a model that generates,
# log-probability per token.
BOUNDS = {Variant.FP16: 0.05, Variant.INT8: 0.3, Variant.INT8_FAST: 0.3}


@dataclass(frozen=True)
class Expected:
    """The golden texts as they are read, and the reference's answers to them."""

    # Who answered, for the card.
    by: str
    # Rows as Runner.outputs reads them, or ids where the bundle generates.
    rows: Sequence[Any]
    # Outputs of the graph without batch axis, or generated ids.
    answers: Sequence[Any]


def check(
    draft: Bundle,
    model: Model,
    variant: Variant,
    expected: Expected,
    given: Sequence[Any],
    bound: float | None = None,
) -> float:
    """The distance of what a variant has `given` in a replay of the golden texts, by its own bound
    or by `bound`; raises ExportError beyond it.

    Of float32 it is the largest difference of an output, or the number of answers whose tokens
    are not the reference's, ties apart. Of the others it is the root mean square difference of
    the outputs as a share of their standard deviation; of models that generate, how much less
    likely per token the answers are than the reference's, by the model in float32.
    """
    if draft.generates:
        found, unit = _generated(draft, model, variant, expected, given)
    else:
        found, unit = _read(variant, expected, given)
    if variant is Variant.FP32:
        most, next_step = (
            0.0 if draft.generates else EXACT,
            ("This is a bug: report it with config.json, or export another model."),
        )
    else:
        most = BOUNDS[variant] if bound is None else bound
        next_step = (
            "Calibrate on more of the model's own texts (--calibrate), choose another --variant, "
            f"or accept it with --distance {np.ceil(found * 100) / 100:g}."
        )
    # Not-a-number is too far as well.
    if not found <= most:
        raise ExportError(
            f"{variant} is too far from {expected.by} on the golden texts: {found:.3g} {unit}, "
            f"at most {most:g} is allowed. {next_step}"
        )
    return found


def _read(variant: Variant, expected: Expected, given: Sequence[Any]) -> tuple[float, str]:
    """Of an encoder's outputs."""
    theirs, ours = (
        np.concatenate([output.ravel() for outputs in some for output in outputs], dtype=np.float64)
        for some in (expected.answers, given)
    )
    apart = theirs - ours
    if variant is Variant.FP32:
        return float(np.abs(apart).max() / max(1.0, np.abs(theirs).max())), "between outputs"
    spread = theirs.std()
    if not spread:
        return float(np.abs(apart).max()), "between outputs that are all the same"
    return float(np.sqrt(np.mean(apart**2)) / spread), "of the outputs' spread"


def _generated(
    draft: Bundle, model: Model, variant: Variant, expected: Expected, given: Sequence[Any]
) -> tuple[float, str]:
    """Of generated tokens."""
    triples = zip(expected.rows, expected.answers, given, strict=True)
    others = [triple for triple in triples if triple[1] != triple[2]]
    scores = _Scores(model, draft) if others else None
    if variant is Variant.FP32:
        wrong = sum(not scores.tie(*triple) for triple in others)
        return float(wrong), f"of {len(given)} answers have other tokens"
    lost = sum(max(0.0, scores.lost(*triple)) for triple in others)
    return lost / len(given), "less log-probability per token"


class _Scores:
    """How likely answers are by the model in float32."""

    def __init__(self, model: Model, draft: Bundle) -> None:
        self._model = model
        self._penalty = draft.manifest["decoding"]["length_penalty"]
        content = model.build_scorer(Scheme()).model(draft.manifest["created_by"])
        self._session: onnxruntime.InferenceSession = content.session()
        self._reads_answers = "decoder_input_ids" in {v.name for v in self._session.get_inputs()}

    def tie(self, row: list[int], one: list[int], other: list[int]) -> bool:
        """Whether rounding decides between two answers: where they part, or as wholes."""
        first, second = self._of(row, one), self._of(row, other)
        at = _parting(one, other)
        if at < min(len(one), len(other)) and abs(first[at] - second[at]) <= EXACT:
            return True
        wholes = (s.sum() / max(1, len(s)) ** self._penalty for s in (first, second))
        return abs(next(wholes) - next(wholes)) <= EXACT

    def lost(self, row: list[int], one: list[int], other: list[int]) -> float:
        """Log-probability per token that `other` has less, from where the two part."""
        at = _parting(one, other)
        means = (self._of(row, ids)[at:] for ids in (one, other))
        first, second = (float(part.mean()) if len(part) else 0.0 for part in means)
        return first - second

    def _of(self, row: list[int], ids: list[int]) -> np.ndarray:
        """The log-probability of each token of an answer: (time)."""
        if not ids:
            return np.zeros(0)
        feed = {"input_ids": [row], "attention_mask": [[1] * len(row)]}
        if self._reads_answers:
            feed["decoder_input_ids"] = [[self._model.rules.start_id, *ids[:-1]]]
        else:
            read = [*row, *ids[:-1]]
            feed = {"input_ids": [read], "attention_mask": [[1] * len(read)]}
        arrays = {name: np.array(value, np.int64) for name, value in feed.items()}
        logits = self._session.run(None, arrays)[0][0, -len(ids) :].astype(np.float64)
        highest = logits.max(axis=-1, keepdims=True)
        logs = logits - highest - np.log(np.exp(logits - highest).sum(axis=-1, keepdims=True))
        return logs[range(len(ids)), ids]


def _parting(one: list[int], other: list[int]) -> int:
    """The first place where two lists differ, or the end of the shorter."""
    pairs = zip(one, other, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
