"""Marian students: a post-norm encoder and a decoder of SSRU cells, read from Marian's own files.

The decoder's self-attention is a Simpler Simple Recurrent Unit (Kim et al. 2019, "From Research to
Production and Back"): f = sigmoid(x Wf + bf), c = f c' + (1 - f) x W, and out = norm(relu(c) + x).
Its cell is the only state of a beam. The first input of the decoder is a zero embedding.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streamformer_export.config import IgnoredKeys
from streamformer_export.errors import ExportError
from streamformer_export.families import Model, Task
from streamformer_export.generation import Defaults
from streamformer_export.graph import decode
from streamformer_export.graph.builder import FLOAT, INT32, INT64, Graph
from streamformer_export.graph.layers import (
    Norm,
    attention,
    feed_forward,
    split_heads,
)
from streamformer_export.graph.options import NO_OPTIONS, Options, decoding_inputs
from streamformer_export.graph.search_state import Rules
from streamformer_export.graph.shortlist import NarrowProjection
from streamformer_export.native_marian import NativeWeights, find_model, find_shortlist
from streamformer_export.quantize import Linear, Range, Scheme, Table

# Marian's layer normalization.
EPSILON = 1e-9

# Matrices of the encoder that are multiplied in 8 bits; the others are sensitive.
PARTS = ("self_Wo", "ffn_W1", "ffn_W2")
# Marian's name of the output projection, where it multiplies in 8 bits.
OUTPUT = "none"

# Sinusoids have no last position; Bergamot cuts sentences at 128 tokens.
POSITIONS = 256

# Marian's 8-bit activations are signed, up to 127.
LEVELS = 127

# What is understood, by key.
SUPPORTED = {
    "dec-cell": ("ssru",),
    "dec-cell-base-depth": (2,),
    "factors-combine": ("sum",),
    "lemma-dim-emb": (0,),
    "output-omit-bias": (False,),
    "right-left": (False,),
    "tied-embeddings-all": (True,),
    "transformer-decoder-autoreg": ("rnn",),
    "transformer-decoder-dim-ffn": (0,),
    "transformer-decoder-ffn-depth": (0,),
    "transformer-ffn-activation": ("relu",),
    "transformer-ffn-depth": (2,),
    "transformer-no-affine": (False,),
    "transformer-no-bias": (False,),
    "transformer-no-projection": (False,),
    "transformer-pool": (False,),
    "transformer-postprocess": ("dan",),
    "transformer-postprocess-emb": ("d",),
    "transformer-postprocess-top": ("", None),
    "transformer-preprocess": ("", None),
    "transformer-rnn-projection": (False,),
    "transformer-tied-layers": ([],),
    "transformer-train-position-embeddings": (False,),
    "type": ("transformer",),
    "ulr": (False,),
}


@dataclass(frozen=True)
class Sizes:
    """What the configuration says about the computation."""

    vocabulary: int
    width: int
    heads: int
    encoder_layers: int
    decoder_layers: int


def read(folder: Path, user: IgnoredKeys) -> Model:
    """Reads a folder with `model*.bin`, `vocab*.spm` and, where it is used, `lex*.bin`."""
    path = find_model(folder)
    if path is None:
        raise ExportError(f"A student's folder has model*.bin: {folder} has none. Give another.")
    weights = NativeWeights(path, user)
    config = weights.config
    for key, values in SUPPORTED.items():
        config.require(key, *values)
    vocabularies = config.take("dim-vocabs")
    if len(set(vocabularies)) != 1:
        raise ExportError(
            "Source and target share their vocabulary: dim-vocabs of "
            f"{path.name} is {vocabularies}. Give a model with tied embeddings."
        )
    sizes = Sizes(
        vocabulary=vocabularies[0],
        width=config.take("dim-emb"),
        heads=config.take("transformer-heads"),
        encoder_layers=config.take("enc-depth"),
        decoder_layers=config.take("dec-depth"),
    )
    config.refuse_rest()
    # Marian's SentencePiece vocabularies begin with </s> and <unk>, and it never generates <unk>.
    rules = Rules(
        vocabulary_size=sizes.vocabulary, start_id=0, end_ids=(0,), padding_id=1, banned_ids=(1,)
    )
    lists = find_shortlist(folder)
    return Model(
        family="marian-student",
        task=Task.TRANSLATION,
        max_positions=POSITIONS,
        pad_token_id=rules.padding_id,
        rules=rules,
        defaults=Defaults(
            num_beams=1, length_penalty=1.0, min_new_tokens=0, max_new_tokens=POSITIONS
        ),
        build=lambda scheme, options=NO_OPTIONS: _Builder(sizes, weights, scheme).build(
            rules, lists is not None, options
        ),
        build_scorer=lambda scheme: _Builder(sizes, weights, scheme).build_scorer(),
        ranges=_stored_ranges(sizes, weights),
        sensitive="queries, keys and values of the encoder and the layers of the decoder",
        shortlist=lists,
        has_reference=False,
    )


def sinusoids(positions: int, width: int) -> np.ndarray:
    """Marian's sinusoidal positions (positions, width): all sines, then all cosines."""
    half = width // 2
    rates = np.power(10000.0, -np.arange(half) / (half - 1))
    angle = np.arange(positions)[:, None] * rates
    return np.concatenate([np.sin(angle), np.cos(angle)], axis=1).astype(np.float32)


def _stored_ranges(sizes: Sizes, weights: NativeWeights) -> dict[str, Range] | None:
    """The scales that the model was fine-tuned with; None where it has none."""
    names = [f"encoder_l{i + 1}_{part}" for i in range(sizes.encoder_layers) for part in PARTS]
    multipliers = {name: weights.multiplier(name) for name in (*names, OUTPUT)}
    if None in multipliers.values():
        return None
    ranges = {}
    for name, multiplier in multipliers.items():
        scale = 1 / multiplier
        # Nothing negative comes out of the relu: its half of the range goes to finer steps.
        positive = name.endswith("_W2")
        ranges[name] = Range(scale * LEVELS / 255, 0) if positive else Range(scale, LEVELS)
    ranges["Wemb.projection"] = ranges.pop(OUTPUT)
    return ranges


class _Builder:
    """The graph of one model; the methods add layers to the graph that they are given."""

    def __init__(self, sizes: Sizes, weights: NativeWeights, scheme: Scheme) -> None:
        self.sizes = sizes
        self.weights = weights
        self.scheme = scheme
        self.table = Table("Wemb", weights["Wemb"], weights.steps("Wemb"))
        self.output_bias = weights["decoder_ff_logit_out_b"]
        self.positions = sinusoids(POSITIONS, sizes.width)

    def build(self, rules: Rules, with_shortlist: bool, options: Options) -> Graph:
        g = Graph("marian-student")
        ids = g.input("input_ids", INT64, ("batch", "source"))
        mask = g.input("attention_mask", INT64, ("batch", "source"))
        limits = decoding_inputs(g, options)
        key_mask = g.op("Cast", mask, to=INT32)
        source = self._encode(g, ids, key_mask)
        fixed = [(key_mask, INT32, 2), *self._source_caches(g, source)]
        narrow = None
        if with_shortlist:
            narrow = NarrowProjection(g, self.scheme, self.table, self.output_bias)
            fixed.append((narrow.bias, *narrow.TYPE))
        layers = self.sizes.decoder_layers

        def step(
            g: Graph, ids: str, position: str, _: str, states: list[str]
        ) -> tuple[str, list[str]]:
            rest = states[layers:]
            x = self._embed_target(g, ids, position)
            x, cells = self._decode(g, x, states[:layers], rest, _next_cell)
            if narrow is None:
                return self.scheme.project(g, self.table, x, self.output_bias), cells
            return narrow.logits(g, x, rest[-1]), cells

        beams = g.op("Reshape", limits.num_beams, g.ints(1))
        rows = g.op("Shape", ids, start=0, end=1)
        cell = g.op("Concat", rows, beams, g.ints(self.sizes.width), axis=0)
        decode.generate(
            g,
            rules,
            limits,
            step,
            grown=[],
            fixed=fixed,
            options=options,
            reordered=[(g.op("Expand", g.float(0), cell), FLOAT, 3)] * layers,
            tokens=narrow.tokens if narrow else "",
            read=self._read,
        )
        self.weights.refuse_rest()
        return g

    def build_scorer(self) -> Graph:
        """The same model reading a given answer: logits (batch, target, vocabulary)."""
        g = Graph("marian-student-scorer")
        ids = g.input("input_ids", INT64, ("batch", "source"))
        mask = g.input("attention_mask", INT64, ("batch", "source"))
        answer = g.input("decoder_input_ids", INT64, ("batch", "target"))
        key_mask = g.op("Cast", mask, to=INT32)
        source = self._encode(g, ids, key_mask)
        order = g.op("Range", g.int(0), g.op("Squeeze", g.op("Shape", answer, start=1)), g.int(1))
        rest = [key_mask, *(value for value, _, _ in self._source_caches(g, source))]
        logits = self._read(g, answer, order, rest)
        g.output("logits", logits, FLOAT, ("batch", "target", "vocabulary"))
        return g

    def _read(self, g: Graph, answer: str, order: str, rest: list[str]) -> str:
        """Whole answers (rows, time), read at once; see decode.Read."""
        x = self._embed_target(g, answer, g.op("Unsqueeze", order, g.ints(1)))
        rows = g.op("Shape", answer, start=0, end=1)
        cell = g.op("Concat", rows, g.ints(1, self.sizes.width), axis=0)
        cells = [g.op("Expand", g.float(0), cell)] * self.sizes.decoder_layers
        x, _ = self._decode(g, x, cells, rest, _all_cells)
        return self.scheme.project(g, self.table, x, self.output_bias)

    def _encode(self, g: Graph, ids: str, key_mask: str) -> str:
        """(batch, source) → (batch, source, width)."""
        length = g.op("Shape", ids, start=1, end=2)
        here = g.op("Slice", self._positions(g), g.ints(0), length, g.ints(0))
        x = g.op("Mul", self.scheme.lookup(g, self.table, ids), g.float(self._embedding_scale))
        x = g.op("Add", x, here)
        for i in range(self.sizes.encoder_layers):
            name = f"encoder_l{i + 1}"
            parts = [self._linear(f"{name}_self", part) for part in "qkv"]
            joint = Linear.side_by_side(f"{name}_self_qkv", parts)
            product = self.scheme.matmul(g, joint, x)
            qkv = g.op("Split", product, outputs=3, axis=-1, num_outputs=3)
            mixed = attention(g, *qkv, self.sizes.heads, bias=joint.bias_of(g), key_mask=key_mask)
            x = self._close_attention(g, f"{name}_self", mixed, x)
            x = self._feed_forward(g, f"{name}_ffn", x)
        return x

    def _source_caches(self, g: Graph, source: str) -> list[tuple[str, int, int]]:
        """Keys and values of the source, per decoder layer: (batch, heads, source, head_dim)."""
        caches = []
        for i in range(self.sizes.decoder_layers):
            for part in "kv":
                linear = self._linear(f"decoder_l{i + 1}_context", part)
                x = self.scheme.linear(g, linear, source)
                caches.append((split_heads(g, x, self.sizes.heads, self.sizes.width), FLOAT, 4))
        return caches

    def _embed_target(self, g: Graph, ids: str, position: str) -> str:
        """Embeddings of the tokens before `position`; before the first one there is none."""
        start = g.op("Equal", position, g.int(0))
        scale = g.op("Where", start, g.float(0), g.float(self._embedding_scale))
        x = g.op("Mul", self.scheme.lookup(g, self.table, ids), scale)
        flat = g.op("Reshape", position, g.ints(-1))
        return g.op("Add", x, g.op("Gather", self._positions(g), flat))

    def _decode(
        self, g: Graph, x: str, cells: list[str], rest: list[str], recur: Recurrence
    ) -> tuple[str, list[str]]:
        """The decoder's layers on x (rows, tokens, width); returns x and the new cells.

        `rest` begins with the mask of the source, its keys and values.
        """
        key_mask, *source = rest
        new_cells = []
        for i in range(self.sizes.decoder_layers):
            name = f"decoder_l{i + 1}"
            gates = self.scheme.linear(g, self._recurrent(f"{name}_rnn"), x)
            candidate, forget = g.op("Split", gates, outputs=2, axis=-1, num_outputs=2)
            cell, new = recur(g, candidate, g.op("Sigmoid", forget), cells[i])
            new_cells.append(new)
            x = self._norm(f"{name}_rnn_ffn").of_sum(g, g.op("Relu", cell), x)
            query = self.scheme.linear(g, self._linear(f"{name}_context", "q"), x)
            pair = source[2 * i : 2 * i + 2]
            mixed = attention(g, query, *pair, self.sizes.heads, key_mask=key_mask)
            x = self._close_attention(g, f"{name}_context", mixed, x)
            x = self._feed_forward(g, f"{name}_ffn", x)
        return x, new_cells

    @property
    def _embedding_scale(self) -> float:
        return math.sqrt(self.sizes.width)

    def _positions(self, g: Graph) -> str:
        return g.shared("positions", self.positions)

    def _norm(self, block: str) -> Norm:
        scale, bias = (self.weights[f"{block}_ln_{part}"] for part in ("scale", "bias"))
        return Norm(f"{block}_ln", scale, bias, EPSILON)

    def _linear(self, block: str, part: str) -> Linear:
        name = f"{block}_W{part}"
        return Linear(
            name,
            self.weights[name],
            self.weights[f"{block}_b{part}"],
            steps=self.weights.steps(name),
            sensitive=block.startswith("decoder") or part in "qkv",
        )

    def _recurrent(self, block: str) -> Linear:
        """Candidate, which has no bias, and forget gate, side by side."""
        names = f"{block}_W", f"{block}_Wf"
        biases = np.zeros(self.sizes.width, np.float32), self.weights[f"{block}_bf"]
        parts = [
            Linear(name, self.weights[name], bias, steps=self.weights.steps(name), sensitive=True)
            for name, bias in zip(names, biases, strict=True)
        ]
        return Linear.side_by_side(f"{block}_both", parts)

    def _close_attention(self, g: Graph, block: str, mixed: str, x: str) -> str:
        out = self._linear(block, "o")
        mixed = self.scheme.matmul(g, out, mixed)
        return self._norm(f"{block}_Wo").of_sum(g, mixed, x, out.bias_of(g))

    def _feed_forward(self, g: Graph, block: str, x: str) -> str:
        first, second = (self._linear(block, part) for part in "12")
        inner, bias = feed_forward(g, self.scheme, first, second, "relu", x)
        return self._norm(f"{block}_ffn").of_sum(g, inner, x, bias)


# (graph, candidate, forget gate (rows, tokens, width), cell) → cells of the tokens, last cell
Recurrence = Callable[[Graph, str, str, str], tuple[str, str]]


def _next_cell(g: Graph, candidate: str, forget: str, cell: str) -> tuple[str, str]:
    """One step of each beam: all (rows, beams, width)."""
    kept = g.op("Mul", forget, g.op("Sub", cell, candidate))
    new = g.op("Add", candidate, kept)
    return new, new


def _all_cells(g: Graph, candidate: str, forget: str, cell: str) -> tuple[str, str]:
    """A whole answer (rows, time, width), one token after the other; `cell` (rows, 1, width)."""

    def body(g: Graph, states: list[str]) -> tuple[str, list[str]]:
        time, cells, cell = states
        here = g.op("Reshape", time, g.ints(1))
        now, gate = (g.op("Gather", value, here, axis=1) for value in (candidate, forget))
        _, cell = _next_cell(g, now, gate, cell)
        time = g.op("Add", time, g.int(1))
        go_on = g.op("Less", time, g.op("Squeeze", g.op("Shape", candidate, start=1, end=2)))
        return go_on, [time, g.op("Concat", cells, cell, axis=1), cell]

    empty = g.op("Slice", candidate, g.ints(0), g.ints(0), g.ints(1))
    states = [(g.int(0), INT64, 0), (empty, FLOAT, 3), (cell, FLOAT, 3)]
    _, cells, cell = g.loop(
        states, body, name=f"recurrence of {candidate}", condition=g.constant(True, np.bool_)
    )
    return cells, cell
