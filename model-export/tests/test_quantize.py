from __future__ import annotations

import numpy as np

from streamformer_export.quantize import WEIGHT_LEVELS, choose_range, quantize_columns


def test_columns_are_within_half_a_step():
    weight = np.random.default_rng(0).standard_normal((40, 9)).astype(np.float32)
    values, scales = quantize_columns(weight)
    assert np.abs(values).max() == WEIGHT_LEVELS
    assert (np.abs(values * scales - weight) <= scales / 2 + 1e-6).all()


def test_a_column_of_zeros_stays_zero():
    values, scales = quantize_columns(np.zeros((4, 2), np.float32))
    assert not values.any()
    assert not scales.any()


def test_pairs_of_products_fit_into_16_bits():
    assert np.iinfo(np.int16).max >= 2 * 255 * WEIGHT_LEVELS


def test_range_of_one_sided_values_starts_at_zero():
    values = np.abs(np.random.default_rng(0).standard_normal(1000))
    chosen = choose_range(values)
    assert chosen.zero_point == 0
    assert 255 * chosen.scale <= values.max() * 1.01


def test_range_cuts_a_lone_outlier():
    values = np.random.default_rng(0).standard_normal(100_000)
    values[0] = 12.0
    assert (255 - choose_range(values).zero_point) * choose_range(values).scale < 12.0


def test_range_of_zeros_is_usable():
    assert choose_range(np.zeros(5)).scale > 0
