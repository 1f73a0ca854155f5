"""GPT-2: a decoder without an encoder, pre-norm, with learned positions (Radford et al. 2019).

The prompt is read at once, and its keys and values are the cache that the search starts with. The
step of the search has the weights a second time: docs/graphs.md says why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from streamformer_export.config import Config, IgnoredKeys
from streamformer_export.families import Model, Task, read_config
from streamformer_export.families.seq2seq import (
    Attention,
    FeedForward,
    Layers,
    Shape,
    Stack,
    Stream,
    causal,
)
from streamformer_export.families.sizes import check_shape, head_width
from streamformer_export.generation import Defaults, input_padding, read_generation
from streamformer_export.graph import decode
from streamformer_export.graph.builder import FLOAT, INT64, Graph
from streamformer_export.graph.layers import ACTIVATIONS, HIDDEN, attention
from streamformer_export.graph.options import NO_OPTIONS, Options, decoding_inputs
from streamformer_export.graph.search_state import Prompt, Rules
from streamformer_export.quantize import Linear, Scheme
from streamformer_export.weights import Weights

# A row's sums round as the places of their summands have it. So prompts are read, and their caches
# kept, with padding up to a multiple of these: generated tokens stand where they stand alone.
READ_TOGETHER = 8
KEPT_TOGETHER = 64

TASKS = (Task.TEXT_GENERATION, Task.TEXT_CLASSIFICATION)


def read(folder: Path, config: Config, task: Task = Task.TEXT_GENERATION) -> Model:
    _, graphs, max_positions, (rules, defaults) = _read(folder, config, task)
    return Model(
        family="gpt2",
        task=task,
        max_positions=max_positions,
        pad_token_id=input_padding(rules),
        rules=rules,
        defaults=defaults,
        build=lambda scheme, options=NO_OPTIONS: graphs(scheme).build(rules, options),
        build_scorer=lambda scheme: graphs(scheme).build_scorer(),
    )


def read_labels(
    folder: Path, labels: Mapping[str, Sequence[int]], ignore: Iterable[str] = ()
) -> Model:
    """A classifier: the score of a label is how likely its tokens are to follow the text.

    `ignore` as in families.read_model.
    """
    task, user = Task.TEXT_CLASSIFICATION, IgnoredKeys(ignore)
    _, graphs, max_positions, (rules, _) = _read(folder, read_config(folder, user), task)
    user.refuse_absent()
    longest = max(map(len, labels.values()))
    return Model(
        family="gpt2",
        task=task,
        # A label is read behind the text.
        max_positions=max_positions - longest + 1,
        pad_token_id=input_padding(rules),
        labels=tuple(labels),
        build=lambda scheme: graphs(scheme).build_labels(list(labels.values())),
        build_scorer=lambda scheme: graphs(scheme).build_scorer(),
    )


def _read(
    folder: Path, config: Config, task: Task
) -> tuple[Shape, Callable[[Scheme], CausalDecoder], int, tuple[Rules, Defaults]]:
    config.require("model_type", "gpt2")
    config.require("architectures", ["GPT2LMHeadModel"])
    config.require("is_encoder_decoder", False)
    config.require("activation_function", "gelu_new", *ACTIVATIONS)
    width, heads = config.take("n_embd", 768), config.take("n_head", 12)
    head_dim = head_width(("n_embd", width), ("n_head", heads))
    inner = config.take("n_inner", None) or 4 * width
    weights = Weights(folder)
    # OpenAI's own checkpoints are without the name of the model's body.
    body = "transformer." if any(name.startswith("transformer.") for name in weights) else ""
    if config.take("tie_word_embeddings", True):
        weights.tie(f"{body}wte.weight", "lm_head.weight")
    shape = Shape(
        vocabulary=config.take("vocab_size", 50257),
        width=width,
        activation=config.take("activation_function", "gelu_new"),
        epsilon=config.take("layer_norm_epsilon", 1e-5),
        score_scale=None if config.take("scale_attn_weights", True) else 1.0,
    )
    layer = f"{body}h.{{i}}"
    stack = Stack(
        layers=config.take("n_layer", 12),
        heads=heads,
        head_dim=head_dim,
        embedding=f"{body}wte",
        attention=Attention(f"{layer}.attn", f"{layer}.ln_1", ("c_attn",), "c_proj"),
        feed_forward=FeedForward((f"{layer}.mlp.c_fc",), f"{layer}.mlp.c_proj", f"{layer}.ln_2"),
        pre_norm=True,
        final_norm=f"{body}ln_f",
        learned_positions=f"{body}wpe",
    )
    deeper_softer = config.take("scale_attn_by_inverse_layer_idx", False)
    positions = config.take("n_positions", 1024)
    generation = read_generation(folder, config, shape.vocabulary, task, shared_positions=positions)
    config.refuse_rest()
    check_shape(weights, f"{body}wte.weight", ("vocab_size", shape.vocabulary), ("n_embd", width))
    check_shape(weights, f"{body}wpe.weight", ("n_positions", positions), ("n_embd", width))
    for i in range(stack.layers):
        name = stack.feed_forward.inner[0].format(i=i)
        check_shape(weights, f"{name}.weight", ("n_embd", width), ("n_inner", inner))
    # Masks, which older checkpoints have.
    for i in range(stack.layers):
        weights.ignore(f"{layer}.attn.bias".format(i=i), f"{layer}.attn.masked_bias".format(i=i))

    def graphs(scheme: Scheme) -> CausalDecoder:
        return CausalDecoder(shape, stack, deeper_softer, weights, scheme)

    return shape, graphs, positions, generation


class CausalDecoder(Layers):
    """The graphs of one model."""

    def __init__(
        self, shape: Shape, stack: Stack, deeper_softer: bool, weights: Weights, scheme: Scheme
    ) -> None:
        super().__init__(shape, weights, scheme)
        self.stack = stack
        # Whether the scores of layer i are divided by i + 1 too.
        self.deeper_softer = deeper_softer
        self.last_position = len(weights[f"{stack.learned_positions}.weight"]) - 1
        self.words = self.table(stack.embedding)
        self.head = self.output_table(self.words)

    def linear(self, name: str) -> Linear:
        """GPT-2 keeps its matrices as (in, out)."""
        return Linear(name, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])

    def build(self, rules: Rules, options: Options = NO_OPTIONS) -> Graph:
        g = Graph("generate")
        ids, mask = self._inputs(g)
        limits = decoding_inputs(g, options, minimum_per_row=rules.minimum_per_row)
        length = g.op("ReduceSum", mask, g.ints(1))
        wide = (_filled(g, one, KEPT_TOGETHER, axis=1) for one in (ids, mask))
        decode.generate(
            g,
            rules,
            limits,
            self._step,
            grown=self._read_prompt(g, ids),
            fixed=[(length, INT64, 2)],
            options=options,
            prompt=Prompt(*wide),
        )
        self.weights.refuse_rest()
        return g

    def build_scorer(self) -> Graph:
        """The model reading a text: logits (batch, sequence, vocabulary) of what comes next."""
        g = Graph("score")
        ids, _ = self._inputs(g)
        order = self._order(g, ids)
        logits, _ = self._decode(g, ids, order, causal(g, order), self._empty_caches(g, ids))
        g.output("logits", logits, FLOAT, ("batch", "sequence", "vocabulary"))
        return g

    def build_labels(self, labels: Sequence[Sequence[int]]) -> Graph:
        """Log-likelihoods of texts going on with each label's tokens: logits (batch, labels)."""
        g = Graph("labels")
        ids, mask = self._inputs(g)
        cache = self._read_prompt(g, ids)
        length = g.op("ReduceSum", mask, g.ints(1))
        last = g.op("Sub", length, g.int(1))
        # All labels are read at once, side by side as beams are: each begins with the text's last
        # token, and its own last token is only asked for.
        tokens = np.concatenate([[-1, *label[:-1]] for label in labels]).astype(np.int64)
        wanted = np.concatenate(list(labels)).astype(np.int64)
        within = np.concatenate([np.arange(len(label)) for label in labels])
        label = np.repeat(np.arange(len(labels)), [len(one) for one in labels])
        text_end = g.op("GatherElements", ids, last, axis=1)
        known = g.constant(tokens, np.int64)
        read = g.op("Where", g.op("Less", known, g.int(0)), text_end, known)
        # The text without its last token, then the tokens of the same label up to this one.
        cached = g.op("Less", self._order(g, _filled(g, ids, KEPT_TOGETHER, axis=1)), last)
        cached = g.op("Where", cached, g.float(0), g.float(HIDDEN))
        hidden = (label[:, None] != label[None, :]) | (within[:, None] < within[None, :])
        own = g.constant(np.where(hidden, HIDDEN, 0)[None], np.float32)
        batch = g.op("Shape", ids, start=0, end=1)
        bias = [
            g.op("Expand", part, g.op("Concat", batch, g.ints(len(tokens), 1), axis=0))
            for part in (g.op("Unsqueeze", cached, g.ints(1)), own)
        ]
        bias = g.op("Unsqueeze", g.op("Concat", *bias, axis=2), g.ints(1))
        position = g.op("Add", last, g.constant(within, np.int64))
        logits, _ = self._decode(g, read, position, bias, cache)
        logs = g.op("LogSoftmax", logits, axis=-1)
        columns = g.op(
            "Expand",
            g.constant(wanted[:, None], np.int64),
            g.op("Concat", batch, g.ints(len(tokens), 1), axis=0),
        )
        taken = g.op("Squeeze", g.op("GatherElements", logs, columns, axis=2), g.ints(2))
        member = (label[:, None] == np.arange(len(labels))[None, :]).astype(np.float32)
        g.output(
            "logits", g.op("MatMul", taken, g.weight("labels", member)), FLOAT, ("batch", "labels")
        )
        self.weights.refuse_rest()
        return g

    def _inputs(self, g: Graph) -> tuple[str, str]:
        return tuple(
            g.input(name, INT64, ("batch", "sequence")) for name in ("input_ids", "attention_mask")
        )

    def _order(self, g: Graph, ids: str) -> str:
        return g.op("Range", g.int(0), g.op("Squeeze", g.op("Shape", ids, start=1)), g.int(1))

    def _empty_caches(self, g: Graph, ids: str) -> list[str]:
        """Keys and values of no token, per layer: (batch, heads, 0, head_dim)."""
        rest = g.ints(self.stack.heads, 0, self.stack.head_dim)
        shape = g.op("Concat", g.op("Shape", ids, start=0, end=1), rest, axis=0)
        return [g.op("Expand", g.float(0), shape)] * 2 * self.stack.layers

    def _read_prompt(self, g: Graph, ids: str) -> list[str]:
        """Keys and values of the prompt, per layer: (batch, heads, source, head_dim)."""
        ids = _filled(g, ids, READ_TOGETHER, axis=1)
        order = self._order(g, ids)
        empty = self._empty_caches(g, ids)
        _, caches = self._layers(g, ids, order, causal(g, order), empty, only_caches=True)
        return [_filled(g, cache, KEPT_TOGETHER, axis=2) for cache in caches]

    def _step(
        self, g: Graph, ids: str, position: str, score_bias: str, caches: list[str]
    ) -> tuple[str, list[str]]:
        """One step; see decode.Step. The first reads the prompt's last token again."""
        *past, length = caches
        position = g.op("Sub", g.op("Add", length, position), g.int(1))
        return self._decode(g, ids, position, score_bias, past)

    def _decode(
        self, g: Graph, ids: str, position: str, score_bias: str, past: list[str]
    ) -> tuple[str, list[str]]:
        seen, present = self._layers(g, ids, position, score_bias, past)
        bias = np.zeros(self.shape.vocabulary, np.float32)
        return self.scheme.project(g, self.head, seen, bias), present

    def _layers(
        self,
        g: Graph,
        ids: str,
        position: str,
        score_bias: str,
        past: list[str],
        *,
        only_caches: bool = False,
    ) -> tuple[str, list[str]]:
        """Tokens `ids` (rows, tokens) at `position`, whose shape fits theirs: what the head reads,
        and the caches grown by them."""
        stack = self.stack
        # Padding may stand behind the last position.
        position = g.op("Min", position, g.int(self.last_position))
        positions = g.op("Gather", self.positions(g, stack), position)
        stream = Stream(g, self, stack, self.embed(g, stack, self.words, ids, positions))
        present = []
        for i in range(stack.layers):
            *qkv, added = self.query_key_value(g, stack.attention, i, stream.seen)
            mixed, *grown = attention(
                g,
                *qkv,
                stack.heads,
                bias=added,
                score_bias=score_bias,
                past=tuple(past[2 * i : 2 * i + 2]),
                scale=self._scale(i),
            )
            present += grown
            if only_caches and i == stack.layers - 1:
                break
            stream.add(*self.out(g, stack.attention, i, mixed))
            stream.add(*self.feed_forward(g, stack.feed_forward, i, stream.seen))
        return stream.seen, present

    def _scale(self, i: int) -> float | None:
        scale = self.shape.score_scale
        if not self.deeper_softer:
            return scale
        return (self.stack.head_dim**-0.5 if scale is None else scale) / (i + 1)


def _filled(g: Graph, x: str, multiple: int, axis: int) -> str:
    """x with zeros behind it, up to a multiple along an axis."""
    more = g.op("Mod", g.op("Neg", g.op("Shape", x, start=axis, end=axis + 1)), g.ints(multiple))
    return g.op("Pad", x, g.op("Concat", g.ints(0), more, axis=0), "", g.ints(axis))
