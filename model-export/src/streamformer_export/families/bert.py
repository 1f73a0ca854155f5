"""BERT: post-norm encoder (Devlin et al. 2019) with a head for classification of texts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streamformer_export.families import Model, Task
from streamformer_export.graph.builder import FLOAT, INT32, INT64, Graph
from streamformer_export.graph.layers import (
    ACTIVATIONS,
    add_and_norm,
    attention,
    feed_forward,
    layer_norm,
)
from streamformer_export.quantize import Linear, Scheme, Table
from streamformer_export.weights import COMMON_KEYS, Config, Weights, read_json

IGNORED_KEYS = (
    *COMMON_KEYS,
    "attention_probs_dropout_prob",
    "bos_token_id",
    "classifier_dropout",
    "eos_token_id",
    "hidden_dropout_prob",
    "initializer_range",
    "tie_word_embeddings",
)


@dataclass(frozen=True)
class Sizes:
    """What config.json says about the computation."""

    layers: int
    heads: int
    positions: int
    activation: str
    epsilon: float
    labels: tuple[str, ...]
    padding_id: int


def read(folder: Path) -> Model:
    config = Config(read_json(folder / "config.json"), "config.json")
    config.require("model_type", "bert")
    config.require("architectures", ["BertForSequenceClassification"])
    config.require("position_embedding_type", "absolute")
    config.require("is_decoder", False)
    config.require("add_cross_attention", False)
    config.require("is_encoder_decoder", False)
    config.require("problem_type", None, "single_label_classification")
    config.require("pruned_heads", {}, None)
    config.require("hidden_act", "gelu", *ACTIVATIONS)
    names = config.take("id2label", {"0": "LABEL_0", "1": "LABEL_1"})
    sizes = Sizes(
        layers=config.take("num_hidden_layers", 12),
        heads=config.take("num_attention_heads", 12),
        positions=config.take("max_position_embeddings", 512),
        activation=config.take("hidden_act", "gelu"),
        epsilon=config.take("layer_norm_eps", 1e-12),
        labels=tuple(names[str(i)] for i in range(len(names))),
        padding_id=config.take("pad_token_id", 0),
    )
    # Told by the shapes of the tensors.
    config.ignore(("hidden_size", "intermediate_size", "vocab_size", "type_vocab_size"))
    config.ignore(("label2id", "num_labels", *IGNORED_KEYS))
    config.refuse_rest()
    weights = Weights(folder)
    weights.ignore("bert.embeddings.position_ids")
    return Model(
        family="bert",
        task=Task.TEXT_CLASSIFICATION,
        max_positions=sizes.positions,
        pad_token_id=sizes.padding_id,
        labels=sizes.labels,
        build=lambda scheme: build(sizes, weights, scheme),
        build_scorer=lambda scheme: build(sizes, weights, scheme),
    )


def build(sizes: Sizes, weights: Weights, scheme: Scheme) -> Graph:
    g = Graph("bert")
    ids = g.input("input_ids", INT64, ("batch", "sequence"))
    mask = g.input("attention_mask", INT64, ("batch", "sequence"))
    types = g.input("token_type_ids", INT64, ("batch", "sequence"))
    key_mask = g.op("Cast", mask, to=INT32)
    x = _embed(g, sizes, weights, scheme, ids, types)
    for i in range(sizes.layers):
        # The head reads the first token only: the last layer computes no other.
        x = _layer(g, sizes, weights, scheme, i, x, key_mask, only_first=i == sizes.layers - 1)
    # The head is small and decides: it stays in float.
    first = g.op("Squeeze", x, g.ints(1))
    pooled = g.op("Tanh", _dense(g, weights, "bert.pooler.dense", first))
    logits = _dense(g, weights, "classifier", pooled)
    weights.refuse_rest()
    g.output("logits", logits, FLOAT, ("batch", "labels"))
    return g


def _embed(g: Graph, sizes: Sizes, weights: Weights, scheme: Scheme, ids: str, types: str) -> str:
    """Words + token types + positions, normalized: (batch, sequence, width)."""
    name = "bert.embeddings"
    words, positions, kinds = (
        Table(f"{name}.{part}", weights[f"{name}.{part}_embeddings.weight"])
        for part in ("word", "position", "token_type")
    )
    length = g.op("Shape", ids, start=1, end=2)
    here = g.op("Slice", g.weight(positions.name, positions.rows), g.ints(0), length, g.ints(0))
    x = g.op(
        "Add",
        scheme.lookup(g, words, ids),
        g.op("Gather", g.weight(kinds.name, kinds.rows), types),
    )
    return layer_norm(g, weights, f"{name}.LayerNorm", g.op("Add", x, here), sizes.epsilon)


def _layer(
    g: Graph,
    sizes: Sizes,
    weights: Weights,
    scheme: Scheme,
    index: int,
    x: str,
    key_mask: str,
    *,
    only_first: bool,
) -> str:
    name = f"bert.encoder.layer.{index}"
    query, key, value = (
        Linear(f"{name}.{part}", *weights.linear(f"{name}.attention.self.{part}"))
        for part in ("query", "key", "value")
    )
    bias = np.concatenate([query.bias, key.bias, value.bias])
    seen = x
    if only_first:
        x = g.op("Slice", x, g.ints(0), g.ints(1), g.ints(1))
    mixed = attention(
        g,
        scheme.matmul(g, query, x),
        scheme.matmul(g, key, seen),
        scheme.matmul(g, value, seen),
        sizes.heads,
        bias=g.weight(f"{name}.attention.bias", bias),
        key_mask=key_mask,
    )
    out = Linear(f"{name}.attention.output", *weights.linear(f"{name}.attention.output.dense"))
    x = add_and_norm(
        g,
        weights,
        f"{name}.attention.output.LayerNorm",
        scheme.matmul(g, out, mixed),
        x,
        sizes.epsilon,
        out.bias_of(g),
    )
    first, second = (
        Linear(f"{name}.{part}", *weights.linear(f"{name}.{part}.dense"))
        for part in ("intermediate", "output")
    )
    inner, bias = feed_forward(g, scheme, first, second, sizes.activation, x)
    return add_and_norm(g, weights, f"{name}.output.LayerNorm", inner, x, sizes.epsilon, bias)


def _dense(g: Graph, weights: Weights, name: str, x: str) -> str:
    linear = Linear(name, *weights.linear(name))
    return g.op("Gemm", x, g.weight(f"{name}.weight", linear.weight), linear.bias_of(g))
