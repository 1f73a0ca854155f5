"""Sizes of config.json against each other and against the shapes of the tensors.

transformers refuses weights of another shape than its configuration's too.
"""

from __future__ import annotations

from streamformer_export.errors import ExportError
from streamformer_export.weights import Weights


def head_width(width: tuple[str, int], heads: tuple[str, int]) -> int:
    """The width of each head; raises ExportError where the heads do not divide the width.

    Both arguments are a key of config.json and its value.
    """
    (width_key, all_heads), (heads_key, count) = width, heads
    if count < 1 or all_heads % count:
        raise ExportError(
            f"config.json: {width_key} {all_heads} is not a multiple of {heads_key} {count}, but "
            "all heads have the same width. Use the config.json that belongs to the weights."
        )
    return all_heads // count


def check_shape(weights: Weights, name: str, *sizes: tuple[str, int] | None) -> None:
    """Refuses a tensor whose axes are not as long as `sizes` say, each a key and its value; None is
    an axis without a key. A tensor that is not there is left to whoever reads it."""
    if name not in weights:
        return
    shape = weights.shape(name)
    if len(shape) != len(sizes):
        raise ExportError(
            f"{name} has the shape {shape}, but a tensor with {len(sizes)} axes is expected. "
            "Use the config.json that belongs to the weights."
        )
    for found, size in zip(shape, sizes, strict=True):
        if size and size[1] != found:
            raise ExportError(
                f"config.json: {size[0]} is {size[1]}, but {name} has the shape {shape}. "
                "Use the config.json that belongs to the weights."
            )
