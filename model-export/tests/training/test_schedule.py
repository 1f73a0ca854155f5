"""The learning rate climbs, peaks once and falls to almost nothing."""

import pytest

from streamformer_export.training.schedule import rate_factor


@pytest.mark.parametrize(
    ("step", "warmup", "total", "factor"),
    [
        (0, 10, 100, 0.1),
        (9, 10, 100, 1.0),
        (10, 10, 100, 1.0),
        (55, 10, 100, 0.5),
        (99, 10, 100, 1 / 90),
        (100, 10, 100, 0.0),
        (0, 0, 4, 1.0),
        (3, 0, 4, 0.25),
        (1, 10, 4, 0.2),
    ],
)
def test_factor(step, warmup, total, factor):
    assert rate_factor(step, warmup, total) == pytest.approx(factor)
