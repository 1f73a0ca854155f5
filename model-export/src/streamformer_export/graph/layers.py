"""Layers that the families share, in the operators that ONNX Runtime runs fast."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from streamformer_export.graph.builder import FLOAT, Graph
from streamformer_export.quantize import Linear, Scheme

# Added to the scores of what must not be seen: its exponential is exactly zero in float32, so a
# hidden position changes no bit of a row.
HIDDEN = -1.0e30

# Names of transformers' ACT2FN that are supported, and of those of one formula its first name.
ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_10": "gelu_10",
    "gelu_accurate": "gelu_new",
    "gelu_fast": "gelu_new",
    "gelu_new": "gelu_new",
    "gelu_python": "gelu",
    "gelu_python_tanh": "gelu_new",
    "gelu_pytorch_tanh": "gelu_new",
    "hardswish": "hardswish",
    "leaky_relu": "leaky_relu",
    "linear": "linear",
    "mish": "mish",
    "quick_gelu": "quick_gelu",
    "relu": "relu",
    "relu2": "relu2",
    "relu6": "relu6",
    "sigmoid": "sigmoid",
    "silu": "silu",
    "swish": "silu",
    "tanh": "tanh",
}
# By formula, those that are one operator: its name and its attributes.
_OPERATORS: dict[str, tuple[str, dict[str, float]]] = {
    # The exact one, with the error function; FastGelu has tanh.
    "gelu": ("Gelu", {}),
    "gelu_new": ("FastGelu", {}),
    "hardswish": ("HardSwish", {}),
    "leaky_relu": ("LeakyRelu", {"alpha": 0.01}),
    "mish": ("Mish", {}),
    "relu": ("Relu", {}),
    "sigmoid": ("Sigmoid", {}),
    "tanh": ("Tanh", {}),
}


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


def activation(g: Graph, name: str, x: str) -> str:
    """The activation of x; `name` is one of ACTIVATIONS."""
    kind = ACTIVATIONS[name]
    if kind in _OPERATORS:
        operator, attributes = _OPERATORS[kind]
        return g.op(operator, x, **attributes)
    if kind == "silu":
        return g.op("Mul", x, g.op("Sigmoid", x))
    if kind == "quick_gelu":
        return g.op("Mul", x, g.op("Sigmoid", g.op("Mul", x, g.float(1.702))))
    if kind == "gelu_10":
        return g.op("Clip", g.op("Gelu", x), g.float(-10), g.float(10))
    if kind == "relu6":
        return g.op("Clip", x, g.float(0), g.float(6))
    if kind == "relu2":
        positive = g.op("Relu", x)
        return g.op("Mul", positive, positive)
    assert kind == "linear"
    return x


def feed_forward(
    g: Graph,
    scheme: Scheme,
    first: Linear,
    second: Linear,
    kind: str,
    x: str,
) -> tuple[str, str]:
    """activation(x W1 + b1) W2; returns it and b2, which the next norm adds."""
    formula = ACTIVATIONS[kind]
    if formula in ("gelu", "gelu_new") and first.bias is not None:
        fused = "BiasGelu" if formula == "gelu" else "FastGelu"
        inner = g.op(fused, scheme.matmul(g, first, x), first.bias_of(g))
    elif formula == "relu" and scheme.clips_negatives(second):
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
