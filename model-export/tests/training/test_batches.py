"""Batches: every row once, within the budget, in an order that the seed decides."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streamformer_export.training.batches import (
    padded,
    row_batches,
    sorted_batches,
    token_batches,
)

settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")

LENGTHS = st.lists(st.tuples(st.integers(1, 60), st.integers(1, 60)), min_size=1, max_size=200)


@given(LENGTHS, st.integers(1, 400), st.integers(1, 64))
def test_each_row_is_in_one_batch_within_the_budget(lengths, batch_tokens, pool_rows):
    sources, targets = np.array(lengths).T
    batches = token_batches(sources, targets, batch_tokens, seed=1, epoch=1, pool_rows=pool_rows)
    assert sorted(np.concatenate(batches)) == list(range(len(lengths)))
    for rows in batches:
        longest = max(sources[rows].max(), targets[rows].max())
        assert len(rows) == 1 or len(rows) * longest <= batch_tokens


def test_the_seed_and_the_epoch_decide_the_order():
    lengths = np.arange(1, 200) % 17 + 1

    def order(seed: int, epoch: int) -> list[int]:
        return np.concatenate(token_batches(lengths, lengths, 64, seed, epoch)).tolist()

    assert order(1, 1) == order(1, 1)
    assert order(1, 1) != order(1, 2)
    assert order(1, 1) != order(2, 1)


def test_similar_lengths_share_a_batch():
    lengths = np.random.default_rng(0).integers(1, 100, size=5000)
    batches = token_batches(lengths, lengths, 1000, seed=1, epoch=1)
    charged = sum(len(rows) * lengths[rows].max() for rows in batches)
    assert charged < 1.03 * lengths.sum()


@given(st.lists(st.integers(1, 60), min_size=1, max_size=200), st.integers(1, 32))
def test_row_batches_are_full_but_for_one(lengths, batch_rows):
    batches = row_batches(np.array(lengths), batch_rows, seed=1, epoch=1, pool_rows=64)
    assert sorted(np.concatenate(batches)) == list(range(len(lengths)))
    assert sum(len(rows) != batch_rows for rows in batches) <= 1


def test_sorted_batches_start_with_the_longest():
    assert [rows.tolist() for rows in sorted_batches(np.array([3, 9, 1, 9]), 3)] == [[1, 3, 0], [2]]


def test_padding_is_on_the_right():
    assert padded([[5], [6, 7, 8], []], 9).tolist() == [[5, 9, 9], [6, 7, 8], [9, 9, 9]]
