"""What a text's neighbours do to its answer: alone, and in batches with others and padding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from streamformer_export import answers
from streamformer_export.bundle import Runner
from streamformer_export.rows import Row

# Sizes of the batches that each text is put into.
BATCHES = (3, 17, 32)


@dataclass(frozen=True)
class Influence:
    """What was seen of all texts, each of them in one batch of every size."""

    texts: int
    # Texts with another answer in at least one batch, and answers that differ.
    changed_texts: int
    changed_answers: int
    # The largest difference between the outputs of a text; of encoders only.
    apart: float

    @property
    def answers(self) -> int:
        return self.texts * len(BATCHES)

    @property
    def share(self) -> float:
        return self.changed_texts / self.texts


def influence(runner: Runner, texts: Sequence[Row]) -> Influence:
    """Answers each text alone and in random batches."""
    measure = _of_generation if runner.bundle.generates else _of_encoder
    changed: list[int] = []
    apart = 0.0
    for i, same, distance in measure(runner, texts):
        if not same:
            changed.append(i)
        apart = max(apart, distance)
    return Influence(len(texts), len(set(changed)), len(changed), apart)


def _of_generation(runner: Runner, texts: Sequence[Row]) -> Iterator[tuple[int, bool, float]]:
    rows = [text.ids for text in texts]

    def answered(chosen: Sequence[int]) -> list[list[int]]:
        sequences = runner.run([rows[i] for i in chosen])[0]
        return [runner.trim(s[0], len(rows[i])) for s, i in zip(sequences, chosen, strict=True)]

    alone = [answered([i])[0] for i in range(len(rows))]
    for chosen in _random_batches(len(rows)):
        for i, found in zip(chosen, answered(chosen), strict=True):
            yield i, found == alone[i], 0.0


def _of_encoder(runner: Runner, texts: Sequence[Row]) -> Iterator[tuple[int, bool, float]]:
    reader = answers.reader(runner.bundle.manifest)
    alone = [runner.outputs([text])[0] for text in texts]
    lines = [reader.line(reader.read(a, text)) for a, text in zip(alone, texts, strict=True)]
    for chosen in _random_batches(len(texts)):
        outputs = runner.outputs([texts[i] for i in chosen])
        for i, found in zip(chosen, outputs, strict=True):
            same = reader.compare(lines[i], reader.read(found, texts[i]))[1]
            yield i, same, largest_difference(found, alone[i])


def largest_difference(some: list[np.ndarray], others: list[np.ndarray]) -> float:
    """Between the outputs of one text."""
    return max(float(np.abs(a - b).max()) for a, b in zip(some, others, strict=True))


def _random_batches(count: int) -> Iterator[list[int]]:
    random = np.random.default_rng(0)
    for size in BATCHES:
        order = random.permutation(count).tolist()
        for start in range(0, count, size):
            yield order[start : start + size]
