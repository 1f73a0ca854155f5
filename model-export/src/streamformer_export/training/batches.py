"""Which rows make a batch: similar lengths together, in an order that depends on the seed alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# Rows are sorted by length within pools of this many: large enough to pad little, small enough
# that the neighbours in a batch change from epoch to epoch.
POOL_ROWS = 32768


def token_batches(
    source_lengths: np.ndarray,
    target_lengths: np.ndarray,
    batch_tokens: int,
    seed: int,
    epoch: int,
    pool_rows: int = POOL_ROWS,
) -> list[np.ndarray]:
    """Returns the batches of one epoch as row numbers, in training order.

    A batch is charged padded tokens: rows x its longest sentence of either side. One row that is
    longer than `batch_tokens` makes a batch of its own.
    """
    random = np.random.default_rng([seed, epoch])
    batches: list[np.ndarray] = []
    for pool in _pools(len(source_lengths), pool_rows, random):
        longest = np.maximum(source_lengths, target_lengths)[pool]
        order = np.lexsort((source_lengths[pool], longest))
        rows, longest = pool[order], longest[order]
        batches += [rows[start:end] for start, end in _cuts(longest.tolist(), batch_tokens)]
    random.shuffle(batches)
    return batches


def row_batches(
    lengths: np.ndarray, batch_rows: int, seed: int, epoch: int, pool_rows: int = POOL_ROWS
) -> list[np.ndarray]:
    """Returns the batches of one epoch as row numbers: `batch_rows` rows of similar length each."""
    random = np.random.default_rng([seed, epoch])
    batches: list[np.ndarray] = []
    # A pool of whole batches leaves no small batch at its end, save the last.
    for pool in _pools(len(lengths), max(1, pool_rows // batch_rows) * batch_rows, random):
        rows = pool[np.argsort(lengths[pool], kind="stable")]
        batches += [rows[start : start + batch_rows] for start in range(0, len(rows), batch_rows)]
    random.shuffle(batches)
    return batches


def sorted_batches(lengths: np.ndarray, batch_rows: int) -> list[np.ndarray]:
    """Returns batches for evaluation: all rows by falling length."""
    rows = np.argsort(-lengths, kind="stable")
    return [rows[start : start + batch_rows] for start in range(0, len(rows), batch_rows)]


def padded(sequences: Sequence[Sequence[int]], padding: int) -> np.ndarray:
    """Returns the id sequences as one int64 array `(rows, time)`, padded on the right."""
    array = np.full((len(sequences), max(map(len, sequences))), padding, dtype=np.int64)
    for row, ids in enumerate(sequences):
        array[row, : len(ids)] = ids
    return array


def _pools(rows: int, pool_rows: int, random: np.random.Generator) -> list[np.ndarray]:
    order = random.permutation(rows)
    return [order[start : start + pool_rows] for start in range(0, rows, pool_rows)]


def _cuts(longest: list[int], batch_tokens: int) -> list[tuple[int, int]]:
    """Returns the (start, end) of each batch over rows whose longest sides are `longest`."""
    cuts = []
    start = width = 0
    for end, length in enumerate(longest):
        width = max(width, length)
        if end > start and width * (end - start + 1) > batch_tokens:
            cuts.append((start, end))
            start, width = end, length
    if start < len(longest):
        cuts.append((start, len(longest)))
    return cuts
