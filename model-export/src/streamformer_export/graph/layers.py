"""Layers that the families share, in the operators that ONNX Runtime runs fast."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from streamformer_export.errors import ExportError
from streamformer_export.graph.builder import FLOAT, Graph
from streamformer_export.quantize import Linear, Scheme

# Added to the scores of what must not be seen: its exponential is exactly zero in float32, so a
# hidden position changes no bit of a row.
HIDDEN = -1.0e30

ACTIVATIONS = ("relu", "gelu", "gelu_new", "swish", "silu")


@dataclass(frozen=True)
class Norm:
    """LayerNorm (Ba et al. 2016), or RMS norm (Zhang and Sennrich 2019) where `bias` is None.

    `scale` and `bias` (width).
    """

    name: str
    scale: np.ndarray
    bias: np.ndarray | None
    epsilon: float

    def of(self, g: Graph, x: str) -> str:
        """The normalized last axis of x."""
        if self.bias is not None:
            parameters = self._parameters(g)
            return g.op("LayerNormalization", x, *parameters, axis=-1, epsilon=self.epsilon)
        square = g.op("ReduceMean", g.op("Mul", x, x), g.ints(-1))
        root = g.op("Sqrt", g.op("Add", square, g.float(self.epsilon)))
        return g.op("Mul", g.op("Div", x, root), *self._parameters(g))

    def of_sum(self, g: Graph, x: str, residual: str, bias: str = "") -> str:
        """The normalized x + residual + bias; `residual` may lack x's leading axes of size 1."""
        return g.op(*self._skip(g, x, residual, bias), epsilon=self.epsilon)

    def with_sum(self, g: Graph, x: str, residual: str, bias: str = "") -> tuple[str, str]:
        """The normalized x + residual + bias, and the sum itself."""
        inputs = self._skip(g, x, residual, bias)
        return g.op(*inputs, outputs=4, without=(1, 2), epsilon=self.epsilon)

    def _skip(self, g: Graph, x: str, residual: str, bias: str) -> list[str]:
        kind = "SkipSimplified" if self.bias is None else "Skip"
        added = [bias] if bias else []
        return [f"{kind}LayerNormalization", x, residual, *self._parameters(g), *added]

    def _parameters(self, g: Graph) -> list[str]:
        scale = g.weight(f"{self.name}.weight", self.scale)
        return [scale] + ([] if self.bias is None else [g.weight(f"{self.name}.bias", self.bias)])


def activation(g: Graph, kind: str, x: str) -> str:
    """`kind` of x; gelu is the exact one, with the error function, gelu_new that with tanh."""
    if kind == "gelu":
        return g.op("Gelu", x)
    if kind == "gelu_new":
        return g.op("FastGelu", x)
    if kind == "relu":
        return g.op("Relu", x)
    if kind in ("swish", "silu"):
        return g.op("Mul", x, g.op("Sigmoid", x))
    raise ExportError(
        f"An activation is one of {', '.join(ACTIVATIONS)}: the config has {kind!r}. "
        "Export another model, or add the activation to graph/layers.py."
    )


def feed_forward(
    g: Graph,
    scheme: Scheme,
    first: Linear,
    second: Linear,
    kind: str,
    x: str,
) -> tuple[str, str]:
    """activation(x W1 + b1) W2; returns it and b2, which the next norm adds."""
    if kind in ("gelu", "gelu_new") and first.bias is not None:
        fused = "BiasGelu" if kind == "gelu" else "FastGelu"
        inner = g.op(fused, scheme.matmul(g, first, x), first.bias_of(g))
    elif kind == "relu" and scheme.clips_negatives(second):
        inner = scheme.linear(g, first, x)
    else:
        inner = activation(g, kind, scheme.linear(g, first, x))
    return scheme.matmul(g, second, inner), second.bias_of(g)


def attention(
    g: Graph,
    query: str,
    key: str,
    value: str,
    heads: int,
    *,
    bias: str = "",
    key_mask: str = "",
    score_bias: str = "",
    past: tuple[str, str] | None = None,
    scale: float | None = None,
) -> str | tuple[str, str, str]:
    """Scaled dot-product attention (Vaswani et al. 2017).

    `query` (batch, queries, width); `key`, `value` the same or (batch, heads, keys, head_dim);
    `bias` (3 x width), of query, key and value; `key_mask` (batch, keys) int32, 1 for what is
    seen; `score_bias` (batch or 1, heads or 1, queries, past + keys), added to the scores. With
    `past`, a pair (batch, heads, past, head_dim), also returns the pair grown by the new keys and
    values. `scale` of the scores is head_dim^-0.5 where it is None.
    """
    inputs = [query, key, value, bias, key_mask, score_bias]
    if past:
        inputs += past
    while not inputs[-1]:
        inputs.pop()
    settings = {"num_heads": heads, "mask_filter_value": HIDDEN}
    if scale is not None:
        settings["scale"] = scale
    seen = _SEEN.get()
    if seen is None:
        return g.op("MultiHeadAttention", *inputs, outputs=3 if past else 1, **settings)
    mixed, *present, scores = g.op("MultiHeadAttention", *inputs, outputs=4, **settings)
    probabilities = g.op("Softmax", g.typed(scores, FLOAT, 4), axis=-1)
    seen.append(Seen(probabilities, grows=past is not None))
    return (mixed, *present) if past else mixed


class Seen(NamedTuple):
    """An attention that somebody looks at."""

    probabilities: str  # (batch, heads, queries, keys)
    # Whether it is a decoder's self-attention, whose keys grow.
    grows: bool


_SEEN: ContextVar[list[Seen] | None] = ContextVar("seen", default=None)


@contextmanager
def seen_attention() -> Iterator[list[Seen]]:
    """Collects the attentions that are added to graphs meanwhile, in their order."""
    token = _SEEN.set([])
    try:
        yield _SEEN.get()
    finally:
        _SEEN.reset(token)


def attention_is_seen() -> bool:
    """Whether every token's attention is wanted, also where an answer needs only one's."""
    return _SEEN.get() is not None


def split_heads(g: Graph, x: str, heads: int, width: int) -> str:
    """(batch, time, width) → (batch, heads, time, head_dim)."""
    x = g.op("Reshape", x, g.ints(0, 0, heads, width // heads))
    return g.op("Transpose", x, perm=[0, 2, 1, 3])
