"""Marian: post-norm encoder-decoder with sinusoidal positions (transformers' MarianMTModel)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streamformer_export.families import Model, Task
from streamformer_export.generation import read_generation
from streamformer_export.graph import decode
from streamformer_export.graph.builder import FLOAT, INT32, INT64, Graph
from streamformer_export.graph.layers import (
    ACTIVATIONS,
    HIDDEN,
    add_and_norm,
    attention,
    feed_forward,
    split_heads,
)
from streamformer_export.quantize import Linear, Scheme, Table
from streamformer_export.weights import COMMON_KEYS, Config, Weights, read_json

# torch's default, which transformers' Marian has.
EPSILON = 1e-5

IGNORED_KEYS = (
    *COMMON_KEYS,
    "activation_dropout",
    "attention_dropout",
    "bos_token_id",
    "classif_dropout",
    "classifier_dropout",
    "decoder_layerdrop",
    "dropout",
    "encoder_layerdrop",
    "extra_pos_embeddings",
    "id2label",
    "init_std",
    "label2id",
    "num_hidden_layers",
)


@dataclass(frozen=True)
class Sizes:
    """What config.json says about the computation."""

    vocabulary: int
    width: int
    encoder_layers: int
    encoder_heads: int
    decoder_layers: int
    decoder_heads: int
    positions: int
    activation: str
    embedding_scale: float


def read(folder: Path) -> Model:
    config = Config(read_json(folder / "config.json"), "config.json")
    config.require("model_type", "marian")
    config.require("architectures", ["MarianMTModel"])
    config.require("is_encoder_decoder", True)
    config.require("is_decoder", False)
    config.require("share_encoder_decoder_embeddings", True)
    config.require("tie_word_embeddings", True)
    config.require("normalize_before", False)
    config.require("normalize_embedding", False)
    config.require("add_final_layer_norm", False)
    config.require("add_bias_logits", False)
    config.require("force_bos_token_to_be_generated", False)
    config.require("static_position_embeddings", True)
    config.require("activation_function", "gelu", *ACTIVATIONS)
    width = config.take("d_model", 1024)
    vocabulary = config.take("vocab_size", 58101)
    config.require("decoder_vocab_size", vocabulary, None)
    sizes = Sizes(
        vocabulary=vocabulary,
        width=width,
        encoder_layers=config.take("encoder_layers", 12),
        encoder_heads=config.take("encoder_attention_heads", 16),
        decoder_layers=config.take("decoder_layers", 12),
        decoder_heads=config.take("decoder_attention_heads", 16),
        positions=config.take("max_position_embeddings", 1024),
        activation=config.take("activation_function", "gelu"),
        embedding_scale=math.sqrt(width) if config.take("scale_embedding", False) else 1.0,
    )
    # Told by the shapes of the tensors.
    config.ignore(("encoder_ffn_dim", "decoder_ffn_dim"))
    rules, defaults = read_generation(folder, config, vocabulary)
    config.ignore(IGNORED_KEYS)
    config.refuse_rest()
    weights = Weights(folder)
    # Names of the one tied table, and positions that the formula gives.
    for side in ("encoder", "decoder"):
        weights.ignore(f"model.{side}.embed_tokens.weight", f"model.{side}.embed_positions.weight")
    weights.ignore("lm_head.weight")
    return Model(
        family="marian",
        task=Task.TRANSLATION,
        max_positions=sizes.positions,
        pad_token_id=rules.padding_id,
        rules=rules,
        defaults=defaults,
        build=lambda scheme: _Builder(sizes, weights, scheme).build(rules),
        build_scorer=lambda scheme: _Builder(sizes, weights, scheme).build_scorer(),
    )


def sinusoids(positions: int, width: int) -> np.ndarray:
    """transformers' sinusoidal positions (positions, width): all sines, then all cosines."""
    angle = np.arange(positions)[:, None] / np.power(10000, 2 * (np.arange(width) // 2) / width)
    both = np.concatenate([np.sin(angle[:, 0::2]), np.cos(angle[:, 1::2])], axis=1)
    return both.astype(np.float32)


class _Builder:
    """The graph of one model; the methods add layers to the graph that they are given."""

    def __init__(self, sizes: Sizes, weights: Weights, scheme: Scheme) -> None:
        self.sizes = sizes
        self.weights = weights
        self.scheme = scheme
        self.table = Table("shared", weights["model.shared.weight"])
        self.positions = sinusoids(sizes.positions, sizes.width)

    def build(self, rules: decode.Rules) -> Graph:
        g = Graph("marian")
        ids = g.input("input_ids", INT64, ("batch", "source"))
        mask = g.input("attention_mask", INT64, ("batch", "source"))
        limits = decode.Limits(
            g.input("max_new_tokens", INT64, ("batch",)),
            g.input("min_new_tokens", INT64, ()),
            g.input("num_beams", INT64, ()),
            g.input("length_penalty", FLOAT, ()),
        )
        key_mask = g.op("Cast", mask, to=INT32)
        source = self._encode(g, ids, key_mask)
        sequences, scores = decode.search(
            g,
            rules,
            limits,
            self._step,
            grown=self._empty_caches(g, ids),
            fixed=[(key_mask, INT32, 2), *self._source_caches(g, source)],
        )
        g.output("sequences", sequences, INT64, ("batch", "num_beams", "target"))
        g.output("scores", scores, FLOAT, ("batch", "num_beams"))
        self.weights.refuse_rest()
        return g

    def build_scorer(self) -> Graph:
        """The same model reading a given answer: logits (batch, target, vocabulary)."""
        g = Graph("marian-scorer")
        ids = g.input("input_ids", INT64, ("batch", "source"))
        mask = g.input("attention_mask", INT64, ("batch", "source"))
        answer = g.input("decoder_input_ids", INT64, ("batch", "target"))
        key_mask = g.op("Cast", mask, to=INT32)
        source = self._encode(g, ids, key_mask)
        order = g.op("Range", g.int(0), g.op("Squeeze", g.op("Shape", answer, start=1)), g.int(1))
        later = g.op(
            "Less", g.op("Unsqueeze", order, g.ints(1)), g.op("Unsqueeze", order, g.ints(0))
        )
        causal = g.op("Where", later, g.float(HIDDEN), g.float(0))
        # A step of a search whose beams are the tokens of the answer, each seeing the earlier ones.
        logits, _ = self._step(
            g,
            answer,
            order,
            g.op("Unsqueeze", causal, g.ints(0, 1)),
            [
                *self._empty_caches(g, ids),
                key_mask,
                *(value for value, _, _ in self._source_caches(g, source)),
            ],
        )
        g.output("logits", logits, FLOAT, ("batch", "target", "vocabulary"))
        return g

    def _encode(self, g: Graph, ids: str, key_mask: str) -> str:
        """(batch, source) → (batch, source, width)."""
        length = g.op("Shape", ids, start=1, end=2)
        here = g.op("Slice", self._positions(g), g.ints(0), length, g.ints(0))
        x = self._embed(g, ids, here)
        for i in range(self.sizes.encoder_layers):
            name = f"model.encoder.layers.{i}"
            *qkv, bias = self._query_key_value(g, f"{name}.self_attn", x)
            mixed = attention(g, *qkv, self.sizes.encoder_heads, bias=bias, key_mask=key_mask)
            x = self._close_attention(g, name, "self_attn", mixed, x)
            x = self._feed_forward(g, name, x)
        return x

    def _empty_caches(self, g: Graph, ids: str) -> list[str]:
        """Keys and values of no token, per decoder layer: (batch, heads, 0, head_dim)."""
        heads = self.sizes.decoder_heads
        rest = g.ints(heads, 0, self.sizes.width // heads)
        shape = g.op("Concat", g.op("Shape", ids, start=0, end=1), rest, axis=0)
        return [g.op("Expand", g.float(0), shape)] * 2 * self.sizes.decoder_layers

    def _source_caches(self, g: Graph, source: str) -> list[tuple[str, int, int]]:
        """Keys and values of the source, per decoder layer: (batch, heads, source, head_dim)."""
        caches = []
        for i in range(self.sizes.decoder_layers):
            for part in ("k_proj", "v_proj"):
                linear = self._linear(f"model.decoder.layers.{i}.encoder_attn.{part}")
                x = self.scheme.linear(g, linear, source)
                heads = split_heads(g, x, self.sizes.decoder_heads, self.sizes.width)
                caches.append((heads, FLOAT, 4))
        return caches

    def _step(
        self, g: Graph, ids: str, position: str, score_bias: str, caches: list[str]
    ) -> tuple[str, list[str]]:
        """One decoder step; see decode.Step."""
        layers, heads = self.sizes.decoder_layers, self.sizes.decoder_heads
        past, key_mask, source = (
            caches[: 2 * layers],
            caches[2 * layers],
            caches[2 * layers + 1 :],
        )
        x = self._embed(g, ids, g.op("Gather", self._positions(g), position))
        present = []
        for i in range(layers):
            name = f"model.decoder.layers.{i}"
            pair = slice(2 * i, 2 * i + 2)
            *qkv, bias = self._query_key_value(g, f"{name}.self_attn", x)
            mixed, *grown = attention(
                g, *qkv, heads, bias=bias, score_bias=score_bias, past=tuple(past[pair])
            )
            present += grown
            x = self._close_attention(g, name, "self_attn", mixed, x)
            linear = self._linear(f"{name}.encoder_attn.q_proj")
            query = self.scheme.linear(g, linear, x)
            mixed = attention(g, query, *source[pair], heads, key_mask=key_mask)
            x = self._close_attention(g, name, "encoder_attn", mixed, x)
            x = self._feed_forward(g, name, x)
        bias = self.weights["final_logits_bias"][0]
        return self.scheme.project(g, self.table, x, bias), present

    def _positions(self, g: Graph) -> str:
        return g.shared("positions", self.positions)

    def _embed(self, g: Graph, ids: str, positions: str) -> str:
        x = self.scheme.lookup(g, self.table, ids)
        if self.sizes.embedding_scale != 1.0:
            x = g.op("Mul", x, g.float(self.sizes.embedding_scale))
        return g.op("Add", x, positions)

    def _linear(self, name: str) -> Linear:
        return Linear(name, *self.weights.linear(name))

    def _query_key_value(self, g: Graph, name: str, x: str) -> tuple[str, str, str, str]:
        """Query, key and value without their bias, and the three biases as one."""
        parts = [self._linear(f"{name}.{part}_proj") for part in "qkv"]
        linear = Linear.side_by_side(f"{name}.qkv_proj", parts)
        product = self.scheme.matmul(g, linear, x)
        query, key, value = g.op("Split", product, outputs=3, axis=-1, num_outputs=3)
        return query, key, value, linear.bias_of(g)

    def _close_attention(self, g: Graph, layer: str, part: str, mixed: str, x: str) -> str:
        out = self._linear(f"{layer}.{part}.out_proj")
        mixed = self.scheme.matmul(g, out, mixed)
        norm = f"{layer}.{part}_layer_norm"
        return add_and_norm(g, self.weights, norm, mixed, x, EPSILON, out.bias_of(g))

    def _feed_forward(self, g: Graph, layer: str, x: str) -> str:
        first, second = (self._linear(f"{layer}.{part}") for part in ("fc1", "fc2"))
        inner, bias = feed_forward(g, self.scheme, first, second, self.sizes.activation, x)
        return add_and_norm(g, self.weights, f"{layer}.final_layer_norm", inner, x, EPSILON, bias)
