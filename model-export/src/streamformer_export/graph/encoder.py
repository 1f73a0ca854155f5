"""The encoder of the BERT-shaped families: post-norm layers over embeddings (Devlin et al. 2019).

A family says what its tensors are called and what its configuration changes; the rest is here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streamformer_export.graph.builder import INT32, INT64, Graph
from streamformer_export.graph.layers import Norm, attention, attention_is_seen, feed_forward
from streamformer_export.quantize import Linear, Scheme, Table
from streamformer_export.weights import Weights


@dataclass(frozen=True)
class Layer:
    """What the modules of a layer are called, below the encoder's own name."""

    query: str
    key: str
    value: str
    attention_output: str
    attention_norm: str
    intermediate: str
    output: str
    output_norm: str


@dataclass(frozen=True)
class Encoder:
    """What a configuration says about the computation; layers that come twice share weights."""

    layers: tuple[Layer, ...]
    heads: int
    activation: str
    epsilon: float
    # Rows of the position table that come before the first token's.
    skipped_positions: int = 0
    # A token that has the position before the first one's and is not counted, where texts have it.
    unplaced_id: int | None = None
    # The linear layer from the width of the embeddings to that of the layers, where they differ.
    projection: str = ""


def bert_layers(count: int) -> tuple[Layer, ...]:
    """Layers with BERT's names."""
    return tuple(
        Layer(
            *(f"encoder.layer.{i}.attention.self.{part}" for part in ("query", "key", "value")),
            attention_output=f"encoder.layer.{i}.attention.output.dense",
            attention_norm=f"encoder.layer.{i}.attention.output.LayerNorm",
            intermediate=f"encoder.layer.{i}.intermediate.dense",
            output=f"encoder.layer.{i}.output.dense",
            output_norm=f"encoder.layer.{i}.output.LayerNorm",
        )
        for i in range(count)
    )


class EncoderBuilder:
    """Adds the encoder whose tensors begin with `prefix` to a graph."""

    def __init__(self, encoder: Encoder, weights: Weights, prefix: str, scheme: Scheme) -> None:
        self.encoder = encoder
        self.weights = weights
        self.prefix = prefix
        self.scheme = scheme
        self.shares = len(set(encoder.layers)) < len(encoder.layers)

    def add(self, g: Graph, *, only_first: bool) -> tuple[str, str]:
        """Declares the inputs; returns hidden states (batch, sequence, width) and attention_mask.

        With `only_first` the last layer computes the first token alone: (batch, 1, width).
        """
        ids = g.input("input_ids", INT64, ("batch", "sequence"))
        mask = g.input("attention_mask", INT64, ("batch", "sequence"))
        key_mask = g.op("Cast", mask, to=INT32)
        x = self._embed(g, ids)
        for i, layer in enumerate(self.encoder.layers):
            last = i == len(self.encoder.layers) - 1
            x = self._layer(g, i, layer, x, key_mask, only_first=only_first and last)
        return x, mask

    def _embed(self, g: Graph, ids: str) -> str:
        """Words + token types + positions, normalized: (batch, sequence, width)."""
        name = f"{self.prefix}embeddings"
        words = Table(f"{name}.word", self.weights[f"{name}.word_embeddings.weight"])
        positions = self.weights[f"{name}.position_embeddings.weight"]
        if self.encoder.unplaced_id is None:
            positions = positions[self.encoder.skipped_positions :]
        x = self.scheme.lookup(g, words, ids)
        if f"{name}.token_type_embeddings.weight" in self.weights:
            types = self.weights[f"{name}.token_type_embeddings.weight"]
            if len(types) == 1:
                positions = positions + types
            else:
                type_ids = g.input("token_type_ids", INT64, ("batch", "sequence"))
                x = g.op("Add", x, g.op("Gather", g.weight(f"{name}.token_type", types), type_ids))
        here = self._positions(g, f"{name}.position", positions, ids)
        # Faster in ONNX Runtime 1.28 than Add and LayerNormalization: docs/graphs.md.
        x = self._norm("embeddings.LayerNorm").of_sum(g, x, here)
        if self.encoder.projection:
            x = self.scheme.linear(g, self._linear(self.encoder.projection, ""), x)
        return x

    def _positions(self, g: Graph, name: str, rows: np.ndarray, ids: str) -> str:
        """The positions of tokens (batch, sequence): (batch or 1, sequence, width)."""
        unplaced = self.encoder.unplaced_id
        if unplaced is None:
            length = g.op("Shape", ids, start=1, end=2)
            return g.op("Slice", g.weight(name, rows), g.ints(0), length, g.ints(0))
        # As transformers counts: the tokens that are not `unplaced`, up to each of them.
        counted = g.op("Cast", g.op("Equal", ids, g.int(unplaced)), to=INT64)
        counted = g.op("Sub", g.int(1), counted)
        number = g.op("Mul", g.op("CumSum", counted, g.int(1)), counted)
        before = g.int(self.encoder.skipped_positions - 1)
        return g.op("Gather", g.weight(name, rows), g.op("Add", number, before))

    def _layer(
        self, g: Graph, index: int, layer: Layer, x: str, key_mask: str, *, only_first: bool
    ) -> str:
        use = f"layer {index}" if self.shares else ""
        query, key, value, out, first, second = (
            self._linear(name, use)
            for name in (
                layer.query,
                layer.key,
                layer.value,
                layer.attention_output,
                layer.intermediate,
                layer.output,
            )
        )
        bias = np.concatenate([query.bias, key.bias, value.bias])
        seen = x
        # Whoever looks at attention looks at that of every token.
        early = only_first and not attention_is_seen()
        if early:
            x = _first_token(g, x)
        mixed = attention(
            g,
            self.scheme.matmul(g, query, x),
            self.scheme.matmul(g, key, seen),
            self.scheme.matmul(g, value, seen),
            self.encoder.heads,
            bias=g.weight(f"{query.name}-key-value.bias", bias),
            key_mask=key_mask,
        )
        if only_first and not early:
            x, mixed = _first_token(g, x), _first_token(g, mixed)
        mixed = self.scheme.matmul(g, out, mixed)
        x = self._norm(layer.attention_norm).of_sum(g, mixed, x, out.bias_of(g))
        inner, bias = feed_forward(g, self.scheme, first, second, self.encoder.activation, x)
        return self._norm(layer.output_norm).of_sum(g, inner, x, bias)

    def _linear(self, name: str, use: str) -> Linear:
        name = self.prefix + name
        return Linear(name, *self.weights.linear(name), use=use)

    def _norm(self, name: str) -> Norm:
        name = self.prefix + name
        scale, bias = (self.weights[f"{name}.{part}"] for part in ("weight", "bias"))
        return Norm(name, scale, bias, self.encoder.epsilon)


def _first_token(g: Graph, x: str) -> str:
    """(batch, sequence, width) → (batch, 1, width)."""
    return g.op("Slice", x, g.ints(0), g.ints(1), g.ints(1))
