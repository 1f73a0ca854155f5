"""Encoder-decoders as stacks of layers; a family says which shape its stacks have.

BART, T5 and their relatives differ in where they normalize, how they tell positions and what they
call their tensors. All of that is data here: `Stack` and `Shape`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streamformer_export.config import Config
from streamformer_export.errors import ExportError
from streamformer_export.families import Model, Task
from streamformer_export.families.sizes import check_shape, head_width
from streamformer_export.generation import Defaults, input_padding
from streamformer_export.graph import decode
from streamformer_export.graph.builder import FLOAT, INT32, INT64, Graph
from streamformer_export.graph.layers import (
    ACTIVATIONS,
    HIDDEN,
    Norm,
    activation,
    attention,
    feed_forward,
    split_heads,
)
from streamformer_export.graph.options import NO_OPTIONS, Options, decoding_inputs
from streamformer_export.graph.search_state import Rules
from streamformer_export.graph.shortlist import NarrowProjection
from streamformer_export.quantize import Linear, Scheme, Table
from streamformer_export.weights import Weights

# torch's default, which BART and its relatives have.
EPSILON = 1e-5

# Names of their tables.
BART_TABLES = (
    "model.shared.weight",
    "model.encoder.embed_tokens.weight",
    "model.decoder.embed_tokens.weight",
    "lm_head.weight",
)


@dataclass(frozen=True)
class Attention:
    """Names of an attention's tensors and of its norm; {i} is the layer."""

    name: str
    norm: str
    # One tensor may hold all three.
    query_key_value: tuple[str, ...] = ("q_proj", "k_proj", "v_proj")
    out: str = "out_proj"


@dataclass(frozen=True)
class FeedForward:
    """Names of a feed-forward's tensors and of its norm; {i} is the layer."""

    # With two of them the first is the gate (Shazeer 2020).
    inner: tuple[str, ...]
    outer: str
    norm: str


@dataclass(frozen=True)
class Stack:
    """An encoder or a decoder: its sizes, and what its tensors are called."""

    layers: int
    heads: int
    head_dim: int
    # Its table of words, which may be tied to others (Weights.tie).
    embedding: str
    attention: Attention
    feed_forward: FeedForward
    cross_attention: Attention | None = None
    # Sizes, each with its key in config.json, to check the weights by.
    words: tuple[str, int] | None = None
    inner: tuple[str, int] | None = None
    learned_rows: tuple[str, int] | None = None
    # Sublayers read a normalized sum, instead of normalizing the sum they are added to.
    pre_norm: bool = False
    embedding_norm: str = ""
    final_norm: str = ""
    # Factor of the final norm's scale.
    final_scale: float = 1.0
    # Positions: a table that a formula gives, one that was learned, or neither where only distances
    # count. The first token has the entry `first_position`.
    positions: Table | None = None
    learned_positions: str = ""
    first_position: int = 0
    # What each head adds to a score, by distance key - query from -limit to limit:
    # (heads, 2 x limit + 1).
    distances: np.ndarray | None = None

    def norms(self, i: int) -> list[str]:
        """Norms of a layer in the order of its sublayers."""
        parts = (self.attention, self.cross_attention, self.feed_forward)
        return [part.norm.format(i=i) for part in parts if part]


@dataclass(frozen=True)
class Shape:
    """What both stacks have in common."""

    # Of the output.
    vocabulary: int
    width: int
    activation: str
    epsilon: float
    embedding_scale: float = 1.0
    # Of attention scores; None is head_dim^-0.5.
    score_scale: float | None = None
    # Whether norms are LayerNorm; else they are RMS norms, without bias.
    layer_norms: bool = True
    biases: bool = True


class Layers:
    """Adds the layers of a model to graphs."""

    def __init__(self, shape: Shape, weights: Weights, scheme: Scheme) -> None:
        self.shape = shape
        self.weights = weights
        self.scheme = scheme

    def table(self, name: str, *others: Table) -> Table:
        """The table of that name, or the first other one that equals it: a graph has it once."""
        same = (t for t in others if self.weights.same(f"{t.name}.weight", f"{name}.weight"))
        return next(same, None) or Table(name, self.weights[f"{name}.weight"])

    def output_table(self, *others: Table) -> Table:
        """The table of the output projection, or the other one that equals it."""
        table = self.table("lm_head", *others)
        if len(table.rows) != self.shape.vocabulary:
            raise ExportError(
                f"The output has an entry for each token: the vocabulary of config.json has "
                f"{self.shape.vocabulary}, {table.name} has {len(table.rows)}. "
                "Check that config.json belongs to the weights."
            )
        return table

    def linear(self, name: str) -> Linear:
        weight = self.weights[f"{name}.weight"].T
        return Linear(name, weight, self.weights[f"{name}.bias"] if self.shape.biases else None)

    def norm(self, name: str, scale: float = 1.0) -> Norm:
        weight = self.weights[f"{name}.weight"] * np.float32(scale)
        bias = self.weights[f"{name}.bias"] if self.shape.layer_norms else None
        return Norm(name, weight, bias, self.shape.epsilon)

    def positions(self, g: Graph, stack: Stack) -> str:
        """The table of positions, the first token's first; empty where the stack has none."""
        table = stack.positions
        if stack.learned_positions:
            name = stack.learned_positions
            table = Table(name, self.weights[f"{name}.weight"])
        return g.shared(table.name, table.rows[stack.first_position :]) if table else ""

    def embed(self, g: Graph, stack: Stack, table: Table, ids: str, positions: str) -> str:
        """Rows of the table plus `positions`, where the stack has them: (..., width)."""
        x = self.scheme.lookup(g, table, ids)
        if self.shape.embedding_scale != 1.0:
            x = g.op("Mul", x, g.float(self.shape.embedding_scale))
        if positions:
            x = g.op("Add", x, positions)
        return self.norm(stack.embedding_norm).of(g, x) if stack.embedding_norm else x

    def query_key_value(self, g: Graph, part: Attention, i: int, x: str) -> tuple[str, ...]:
        """Query, key and value without their bias, and the three biases as one."""
        name = part.name.format(i=i)
        parts = [self.linear(f"{name}.{one}") for one in part.query_key_value]
        linear = Linear.side_by_side(f"{name}.qkv_proj", parts)
        product = self.scheme.matmul(g, linear, x)
        query, key, value = g.op("Split", product, outputs=3, axis=-1, num_outputs=3)
        return query, key, value, linear.bias_of(g)

    def out(self, g: Graph, part: Attention, i: int, mixed: str) -> tuple[str, str]:
        """The output of an attention without its bias, and the bias."""
        linear = self.linear(f"{part.name}.{part.out}".format(i=i))
        return self.scheme.matmul(g, linear, mixed), linear.bias_of(g)

    def feed_forward(self, g: Graph, part: FeedForward, i: int, x: str) -> tuple[str, str]:
        """The output of a feed-forward without its bias, and the bias."""
        *gate, first = (self.linear(name.format(i=i)) for name in part.inner)
        second = self.linear(part.outer.format(i=i))
        kind = self.shape.activation
        if not gate:
            return feed_forward(g, self.scheme, first, second, kind, x)
        opened = activation(g, kind, self.scheme.linear(g, gate[0], x))
        inner = g.op("Mul", opened, self.scheme.linear(g, first, x))
        return self.scheme.matmul(g, second, inner), second.bias_of(g)

    def score_bias(self, g: Graph, name: str, stack: Stack, queries: str, keys: str) -> str:
        """Biases of the distances (1, heads, queries, keys) between positions (queries or 1),
        (keys); none where the stack has positions."""
        if stack.distances is None:
            return ""
        limit = stack.distances.shape[1] // 2
        column = g.op("Reshape", queries, g.ints(-1, 1))
        distance = g.op("Sub", g.op("Unsqueeze", keys, g.ints(0)), column)
        index = g.op("Add", g.op("Clip", distance, g.int(-limit), g.int(limit)), g.int(limit))
        table = g.shared(f"{name}.distances", stack.distances)
        return g.op("Unsqueeze", g.op("Gather", table, index, axis=1), g.ints(0))


class Stream:
    """The residual stream of a stack: a sublayer reads `seen`, and `add` takes its output."""

    def __init__(self, g: Graph, layers: Layers, stack: Stack, x: str) -> None:
        self._g = g
        self._pre_norm = stack.pre_norm
        names = [name for i in range(stack.layers) for name in stack.norms(i)]
        norms = [layers.norm(name) for name in names]
        if stack.final_norm:
            norms.append(layers.norm(stack.final_norm, stack.final_scale))
        self._norms = iter(norms)
        self._sum = x
        self.seen = next(self._norms).of(g, x) if stack.pre_norm else x

    def add(self, x: str, bias: str) -> None:
        norm = next(self._norms)
        if self._pre_norm:
            self.seen, self._sum = norm.with_sum(self._g, x, self._sum, bias)
        else:
            self.seen = self._sum = norm.of_sum(self._g, x, self._sum, bias)


class EncoderDecoder(Layers):
    """The graphs of one model."""

    def __init__(
        self, shape: Shape, encoder: Stack, decoder: Stack, weights: Weights, scheme: Scheme
    ) -> None:
        super().__init__(shape, weights, scheme)
        self.encoder = encoder
        self.decoder = decoder
        self.source_table = self.table(encoder.embedding)
        self.target_table = self.table(decoder.embedding, self.source_table)
        self.head = self.output_table(self.target_table)
        self.logits_bias = np.zeros(shape.vocabulary, np.float32)
        if "final_logits_bias" in weights:
            self.logits_bias = weights["final_logits_bias"][0]

    def build(
        self, rules: Rules, options: Options = NO_OPTIONS, *, narrowed: bool = False
    ) -> Graph:
        """The search; where it is `narrowed`, by a shortlist of each row."""
        g = Graph("generate")
        ids = g.input("input_ids", INT64, ("batch", "source"))
        mask = g.input("attention_mask", INT64, ("batch", "source"))
        limits = decoding_inputs(g, options)
        key_mask = g.op("Cast", mask, to=INT32)
        source = self._encode(g, ids, key_mask)
        fixed = [(key_mask, INT32, 2), *self._source_caches(g, source)]
        narrow = None
        if narrowed:
            narrow = NarrowProjection(g, self.scheme, self.head, self.logits_bias)
            fixed.append((narrow.bias, *narrow.TYPE))

        def step(
            g: Graph, ids: str, position: str, score_bias: str, caches: list[str]
        ) -> tuple[str, list[str]]:
            x, present = self._step(g, ids, position, score_bias, caches)
            return (narrow.logits(g, x, caches[-1]) if narrow else self._logits(g, x)), present

        decode.generate(
            g,
            rules,
            limits,
            step,
            grown=self._empty_caches(g, ids),
            fixed=fixed,
            options=options,
            tokens=narrow.tokens if narrow else "",
            read=self._read,
        )
        self.weights.refuse_rest()
        return g

    def build_scorer(self) -> Graph:
        """The same model reading a given answer: logits (batch, target, vocabulary)."""
        g = Graph("score")
        ids = g.input("input_ids", INT64, ("batch", "source"))
        mask = g.input("attention_mask", INT64, ("batch", "source"))
        answer = g.input("decoder_input_ids", INT64, ("batch", "target"))
        key_mask = g.op("Cast", mask, to=INT32)
        source = self._encode(g, ids, key_mask)
        order = g.op("Range", g.int(0), g.op("Squeeze", g.op("Shape", answer, start=1)), g.int(1))
        caches = [
            *self._empty_caches(g, ids),
            key_mask,
            *(value for value, _, _ in self._source_caches(g, source)),
        ]
        logits = self._read(g, answer, order, caches)
        g.output("logits", logits, FLOAT, ("batch", "target", "vocabulary"))
        return g

    def _encode(self, g: Graph, ids: str, key_mask: str) -> str:
        """(batch, source) → (batch, source, width)."""
        stack, scale = self.encoder, self.shape.score_scale
        length = g.op("Shape", ids, start=1, end=2)
        bias = ""
        positions = self.positions(g, stack)
        if positions:
            positions = g.op("Slice", positions, g.ints(0), length, g.ints(0))
        if stack.distances is not None:
            order = g.op("Range", g.int(0), g.op("Squeeze", length), g.int(1))
            bias = self.score_bias(g, "encoder", stack, order, order)
        x = self.embed(g, stack, self.source_table, ids, positions)
        stream = Stream(g, self, stack, x)
        for i in range(stack.layers):
            *qkv, added = self.query_key_value(g, stack.attention, i, stream.seen)
            mixed = attention(
                g, *qkv, stack.heads, bias=added, key_mask=key_mask, score_bias=bias, scale=scale
            )
            stream.add(*self.out(g, stack.attention, i, mixed))
            stream.add(*self.feed_forward(g, stack.feed_forward, i, stream.seen))
        return stream.seen

    def _empty_caches(self, g: Graph, ids: str) -> list[str]:
        """Keys and values of no token, per decoder layer: (batch, heads, 0, head_dim)."""
        rest = g.ints(self.decoder.heads, 0, self.decoder.head_dim)
        shape = g.op("Concat", g.op("Shape", ids, start=0, end=1), rest, axis=0)
        return [g.op("Expand", g.float(0), shape)] * 2 * self.decoder.layers

    def _source_caches(self, g: Graph, source: str) -> list[tuple[str, int, int]]:
        """Keys and values of the source, per decoder layer: (batch, heads, source, head_dim)."""
        part, heads = self.decoder.cross_attention, self.decoder.heads
        caches = []
        for i in range(self.decoder.layers):
            for name in part.query_key_value[1:]:
                linear = self.linear(f"{part.name}.{name}".format(i=i))
                x = self.scheme.linear(g, linear, source)
                split = split_heads(g, x, heads, heads * self.decoder.head_dim)
                caches.append((split, FLOAT, 4))
        return caches

    def _step(
        self, g: Graph, ids: str, position: str, score_bias: str, caches: list[str]
    ) -> tuple[str, list[str]]:
        """One decoder step up to its hidden states; otherwise see decode.Step."""
        keys = ""
        if self.decoder.distances is not None:
            # Each step added a key per beam.
            time = g.op("Squeeze", g.op("Shape", score_bias, start=3))
            beams = g.op("Shape", ids, start=1)
            keys = g.op("Div", g.op("Range", g.int(0), time, g.int(1)), beams)
        return self._decode(g, ids, position, keys, score_bias, caches)

    def _read(self, g: Graph, answer: str, order: str, caches: list[str]) -> str:
        """A whole answer; see decode.Read."""
        # A step of a search whose beams are the tokens of the answer, each seeing the earlier ones.
        x, _ = self._decode(g, answer, order, order, causal(g, order), caches)
        return self._logits(g, x)

    def _logits(self, g: Graph, x: str) -> str:
        """Hidden states (rows, tokens, width) → (rows, tokens, vocabulary)."""
        return self.scheme.project(g, self.head, x, self.logits_bias)

    def _decode(
        self, g: Graph, ids: str, position: str, keys: str, score_bias: str, caches: list[str]
    ) -> tuple[str, list[str]]:
        """Tokens `ids` (rows, beams) at `position` (beams or scalar), with the positions of their
        keys (time), to their hidden states."""
        stack, scale = self.decoder, self.shape.score_scale
        count = 2 * stack.layers
        past, key_mask, source = caches[:count], caches[count], caches[count + 1 :]
        positions = self.positions(g, stack)
        if positions:
            positions = g.op("Gather", positions, position)
        if stack.distances is not None:
            distances = self.score_bias(g, "decoder", stack, position, keys)
            score_bias = g.op("Add", score_bias, distances)
        stream = Stream(g, self, stack, self.embed(g, stack, self.target_table, ids, positions))
        present = []
        for i in range(stack.layers):
            pair = slice(2 * i, 2 * i + 2)
            *qkv, added = self.query_key_value(g, stack.attention, i, stream.seen)
            mixed, *grown = attention(
                g,
                *qkv,
                stack.heads,
                bias=added,
                score_bias=score_bias,
                past=tuple(past[pair]),
                scale=scale,
            )
            present += grown
            stream.add(*self.out(g, stack.attention, i, mixed))
            cross = stack.cross_attention
            linear = self.linear(f"{cross.name}.{cross.query_key_value[0]}".format(i=i))
            query = self.scheme.linear(g, linear, stream.seen)
            mixed = attention(g, query, *source[pair], stack.heads, key_mask=key_mask, scale=scale)
            stream.add(*self.out(g, cross, i, mixed))
            stream.add(*self.feed_forward(g, stack.feed_forward, i, stream.seen))
        return stream.seen, present


def encoder_decoder(
    family: str,
    task: Task,
    max_positions: int,
    shape: Shape,
    stacks: Sequence[Stack],
    weights: Weights,
    generation: tuple[Rules, Defaults],
    *,
    shortlist: Path | None = None,
    **more: object,
) -> Model:
    """The model of a folder that was read: `stacks` are its encoder and its decoder.

    A `shortlist` narrows the search. `more` are fields of Model.
    """
    rules, defaults = generation
    _check_sizes(shape, stacks, weights)

    def graphs(scheme: Scheme) -> EncoderDecoder:
        return EncoderDecoder(shape, *stacks, weights, scheme)

    return Model(
        family=family,
        task=task,
        max_positions=max_positions,
        pad_token_id=input_padding(rules),
        rules=rules,
        defaults=defaults,
        build=lambda scheme, options=NO_OPTIONS: graphs(scheme).build(
            rules, options, narrowed=shortlist is not None
        ),
        build_scorer=lambda scheme: graphs(scheme).build_scorer(),
        shortlist=shortlist,
        **more,
    )


def _check_sizes(shape: Shape, stacks: Sequence[Stack], weights: Weights) -> None:
    """Refuses sizes of config.json that contradict the weights."""
    width = ("d_model", shape.width)
    check_shape(weights, "lm_head.weight", stacks[-1].words, width)
    for stack in stacks:
        check_shape(weights, f"{stack.embedding}.weight", stack.words, width)
        check_shape(weights, f"{stack.learned_positions}.weight", stack.learned_rows, width)
        query = f"{stack.attention.name}.{stack.attention.query_key_value[0]}.weight"
        heads = ("heads x their width", stack.heads * stack.head_dim)
        for i in range(stack.layers):
            check_shape(weights, query.format(i=i), heads, width)
            for name in stack.feed_forward.inner:
                check_shape(weights, f"{name}.weight".format(i=i), stack.inner, width)


def causal(g: Graph, order: str) -> str:
    """Score bias (1, 1, time, time) that hides from each token of `order` (time) the later ones."""
    later = g.op("Less", g.op("Unsqueeze", order, g.ints(1)), g.op("Unsqueeze", order, g.ints(0)))
    return g.op("Unsqueeze", g.op("Where", later, g.float(HIDDEN), g.float(0)), g.ints(0, 1))


def bart_stacks(config: Config, **more: object) -> list[Stack]:
    """Encoder and decoder with the tensor names of BART and all that came out of fairseq.

    `more` are fields of Stack; {side} in them is encoder or decoder.
    """
    return [_bart_stack(config, side, more) for side in ("encoder", "decoder")]


def _bart_stack(config: Config, side: str, more: dict[str, object]) -> Stack:
    layers, heads = (
        config.take(f"{side}_{part}", default)
        for part, default in (("layers", 12), ("attention_heads", 16))
    )
    width = config.take("d_model", 1024)
    head_dim = head_width(("d_model", width), (f"{side}_attention_heads", heads))
    inner = f"{side}_ffn_dim"
    layer = f"model.{side}.layers.{{i}}"
    cross = Attention(f"{layer}.encoder_attn", f"{layer}.encoder_attn_layer_norm")
    return Stack(
        layers=layers,
        heads=heads,
        head_dim=head_dim,
        embedding=f"model.{side}.embed_tokens",
        attention=Attention(f"{layer}.self_attn", f"{layer}.self_attn_layer_norm"),
        cross_attention=cross if side == "decoder" else None,
        inner=(inner, config.take(inner, 4096)),
        feed_forward=FeedForward((f"{layer}.fc1",), f"{layer}.fc2", f"{layer}.final_layer_norm"),
        **{k: v.format(side=side) if isinstance(v, str) else v for k, v in more.items()},
    )


def bart_weights(folder: Path, config: Config) -> Weights:
    """The weights of BART and its relatives, one table for both stacks and the output."""
    weights = Weights(folder)
    if config.take("tie_word_embeddings", True):
        weights.tie(*BART_TABLES)
    else:
        # Each stack has its own.
        weights.ignore(BART_TABLES[0])
    return weights


def bart_shape(config: Config, activation: str, vocabulary: int, *, scaled: bool = False) -> Shape:
    """What the stacks of BART and its relatives share.

    `activation` and `scaled` (embeddings by the width's root) are the family's defaults.
    """
    config.require("is_encoder_decoder", True)
    config.require("is_decoder", False)
    config.require("activation_function", activation, *ACTIVATIONS)
    width = config.take("d_model", 1024)
    return Shape(
        vocabulary=vocabulary,
        width=width,
        activation=config.take("activation_function", activation),
        epsilon=EPSILON,
        embedding_scale=math.sqrt(width) if config.take("scale_embedding", scaled) else 1.0,
    )
