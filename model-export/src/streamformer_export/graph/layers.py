"""Layers that the families share, in the operators that ONNX Runtime runs fast."""

from __future__ import annotations

from streamformer_export.errors import ExportError
from streamformer_export.graph.builder import Graph
from streamformer_export.quantize import Linear, Scheme
from streamformer_export.weights import Weights

# Added to the scores of what must not be seen: its exponential is exactly zero in float32, so a
# hidden position changes no bit of a row.
HIDDEN = -1.0e30

ACTIVATIONS = ("relu", "gelu", "swish", "silu")


def layer_norm(g: Graph, weights: Weights, name: str, x: str, epsilon: float) -> str:
    """LayerNorm (Ba et al. 2016) over the last axis."""
    scale, bias = (g.weight(f"{name}.{p}", weights[f"{name}.{p}"]) for p in ("weight", "bias"))
    return g.op("LayerNormalization", x, scale, bias, axis=-1, epsilon=epsilon)


def add_and_norm(
    g: Graph,
    weights: Weights,
    name: str,
    x: str,
    residual: str,
    epsilon: float,
    bias: str = "",
) -> str:
    """LayerNorm of x + bias + residual; `residual` may lack x's leading axes of size 1."""
    scale, shift = (g.weight(f"{name}.{p}", weights[f"{name}.{p}"]) for p in ("weight", "bias"))
    inputs = [x, residual, scale, shift] + ([bias] if bias else [])
    return g.op("SkipLayerNormalization", *inputs, epsilon=epsilon)


def activation(g: Graph, kind: str, x: str) -> str:
    """`kind` of x; gelu is the exact one, with the error function."""
    if kind == "gelu":
        return g.op("Gelu", x)
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
    """activation(x W1 + b1) W2; returns it and b2, which the next add_and_norm adds."""
    if kind == "gelu":
        inner = g.op("BiasGelu", scheme.matmul(g, first, x), first.bias_of(g))
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
) -> str | tuple[str, str, str]:
    """Scaled dot-product attention (Vaswani et al. 2017).

    `query` (batch, queries, width); `key`, `value` the same or (batch, heads, keys, head_dim);
    `bias` (3 x width), of query, key and value; `key_mask` (batch, keys) int32, 1 for what is
    seen; `score_bias` (batch, 1, queries, past + keys), added to the scores. With `past`, a pair
    (batch, heads, past, head_dim), also returns the pair grown by the new keys and values.
    """
    inputs = [query, key, value, bias, key_mask, score_bias]
    if past:
        inputs += past
    while not inputs[-1]:
        inputs.pop()
    return g.op(
        "MultiHeadAttention",
        *inputs,
        outputs=3 if past else 1,
        num_heads=heads,
        mask_filter_value=HIDDEN,
    )


def split_heads(g: Graph, x: str, heads: int, width: int) -> str:
    """(batch, time, width) → (batch, heads, time, head_dim)."""
    x = g.op("Reshape", x, g.ints(0, 0, heads, width // heads))
    return g.op("Transpose", x, perm=[0, 2, 1, 3])
