"""T5, mT5 and Flan-T5: encoder-decoders that know distances, not positions (Raffel et al. 2020)."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np

from streamformer_export.config import Config
from streamformer_export.errors import ExportError
from streamformer_export.families import TEXT_TO_TEXT, Model, Task
from streamformer_export.families.seq2seq import (
    Attention,
    FeedForward,
    Shape,
    Stack,
    encoder_decoder,
)
from streamformer_export.generation import read_generation
from streamformer_export.graph.layers import ACTIVATIONS
from streamformer_export.weights import Weights

CLASSES = {"t5": "T5ForConditionalGeneration", "mt5": "MT5ForConditionalGeneration"}

TABLES = (
    "shared.weight",
    "encoder.embed_tokens.weight",
    "decoder.embed_tokens.weight",
    "lm_head.weight",
)

TASKS = TEXT_TO_TEXT


def read(
    folder: Path,
    config: Config,
    task: Task = Task.TEXT2TEXT_GENERATION,
    direction: str | None = None,
) -> Model:
    """The model of a folder; the published ones have a prefix for each `direction` of translation,
    such as en_to_de."""
    config.require("model_type", *CLASSES)
    family = config.take("model_type")
    config.require("architectures", [CLASSES[family]])
    config.require("is_encoder_decoder", True)
    config.require("is_decoder", False)
    gated, kind = _activation(config, "relu" if family == "t5" else "gated-gelu")
    width = config.take("d_model", 512)
    shape = Shape(
        vocabulary=config.take("vocab_size", 32128 if family == "t5" else 250112),
        width=width,
        activation=kind,
        epsilon=config.take("layer_norm_epsilon", 1e-6),
        score_scale=1.0,
        layer_norms=False,
        biases=False,
    )
    # False tells T5 1.1 from T5; transformers 5 writes True for both, with a key of its own.
    tied = config.take("tie_word_embeddings", True) is not False
    scaled = config.take("scale_decoder_outputs", None)
    # mT5's configurations say either; a head that is stored is its own.
    own_head = family == "mt5" or not tied or scaled is not None
    scaled = family == "t5" and (tied if scaled is None else scaled)
    layers = config.take("num_layers", 6 if family == "t5" else 8)
    # None where both have as many.
    decoder_layers = config.take("num_decoder_layers", None) or layers
    if "num_layers" in config.renamed and config.hint("num_decoder_layers") is None:
        raise ExportError(
            "config.json: num_hidden_layers is set, but num_layers and num_decoder_layers are not: "
            "transformers would give the decoder its default number of layers. Add "
            "num_decoder_layers to the file."
        )
    sizes = {
        "heads": config.take("num_heads", 8 if family == "t5" else 6),
        "head_dim": config.take("d_kv", 64),
        "pre_norm": True,
        "words": ("vocab_size", shape.vocabulary),
        "inner": ("d_ff", config.take("d_ff", 2048 if family == "t5" else 1024)),
    }
    buckets = config.take("relative_attention_num_buckets", 32)
    farthest = config.take("relative_attention_max_distance", 128)
    # What the model was trained on; distances have no end.
    positions = config.take("n_positions", 512)
    generation = read_generation(folder, config, shape.vocabulary, task, direction=direction)
    config.refuse_rest()
    weights = Weights(folder)
    *tables, head = TABLES
    own_head &= head in weights and any(name in weights for name in tables)
    weights.tie(*tables, *([] if own_head else [head]))
    weights.ignore("decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight")

    def stack(side: str, layers: int, **more: object) -> Stack:
        block = f"{side}.block.{{i}}.layer"
        last = 1 if side == "encoder" else 2
        first = f"{side}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"
        found = distance_buckets(buckets, farthest, both_ways=side == "encoder")
        dense = f"{block}.{last}.DenseReluDense"
        return Stack(
            layers=layers,
            embedding=f"{side}.embed_tokens",
            attention=_attention(f"{block}.0", "SelfAttention"),
            feed_forward=FeedForward(
                inner=(f"{dense}.wi_0", f"{dense}.wi_1") if gated else (f"{dense}.wi",),
                outer=f"{dense}.wo",
                norm=f"{block}.{last}.layer_norm",
            ),
            final_norm=f"{side}.final_layer_norm",
            distances=weights[first].T[:, found],
            **sizes,
            **more,
        )

    stacks = (
        stack("encoder", layers),
        stack(
            "decoder",
            decoder_layers,
            cross_attention=_attention("decoder.block.{i}.layer.1", "EncDecAttention"),
            final_scale=width**-0.5 if scaled else 1.0,
        ),
    )
    # Distances have no end, and so answers.
    return encoder_decoder(
        family, task, positions, shape, stacks, weights, generation, max_output=sys.maxsize
    )


def distance_buckets(buckets: int, farthest: int, *, both_ways: bool) -> np.ndarray:
    """T5's bucket of each distance key - query from -limit to limit: (2 x limit + 1).

    Half of the buckets are for near tokens, one each; in the other half they widen with the
    logarithm, and from `farthest` on all share the last. An encoder has half of all for what comes
    later; a decoder takes what comes later for no distance.
    """
    limit = max(farthest, buckets)
    distance = np.arange(-limit, limit + 1)
    later = np.zeros_like(distance)
    if both_ways:
        buckets //= 2
        later = (distance > 0) * buckets
        distance = np.abs(distance)
    else:
        distance = np.maximum(-distance, 0)
    near = buckets // 2
    # In float32, as torch computes it.
    ratio = np.log(np.maximum(distance, 1).astype(np.float32) / np.float32(near))
    wide = ratio / np.float32(math.log(farthest / near)) * np.float32(buckets - near)
    far = np.minimum(near + wide.astype(np.int64), buckets - 1)
    return later + np.where(distance < near, distance, far)


def _attention(layer: str, name: str) -> Attention:
    return Attention(f"{layer}.{name}", f"{layer}.layer_norm", ("q", "k", "v"), "o")


def _activation(config: Config, default: str) -> tuple[bool, str]:
    """Whether the feed-forward is gated, and its activation."""
    projection = config.take("feed_forward_proj", default)
    gated = projection.startswith("gated-")
    kind = projection.removeprefix("gated-")
    # transformers reads this word so, as the published weights were trained with it.
    kind = "gelu_new" if projection == "gated-gelu" else kind
    # In transformers these keys go before what feed_forward_proj says.
    gated = bool(config.take("is_gated_act", gated))
    kind = config.take("dense_act_fn", kind)
    if kind not in ACTIVATIONS:
        raise ExportError(
            f"config.json: feed_forward_proj is {projection!r} and the activation {kind!r}. "
            f"Supported: {', '.join(ACTIVATIONS)}; in feed_forward_proj also with gated- in front. "
            "Export a model with one of them."
        )
    return gated, kind
