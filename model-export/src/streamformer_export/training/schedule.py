"""The learning rate over the steps of a run."""


def rate_factor(step: int, warmup_steps: int, total_steps: int) -> float:
    """Returns the share of the peak rate at `step` (from 0): a linear climb, then a linear fall.

    The first step has a rate above 0 and so has the last; after the last it would be 0.
    """
    climb = (step + 1) / max(1, warmup_steps)
    fall = (total_steps - step) / max(1, total_steps - warmup_steps)
    return max(0.0, min(1.0, climb, fall))
