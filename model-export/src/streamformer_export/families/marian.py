"""Marian: post-norm encoder-decoder with sinusoidal positions (transformers' MarianMTModel)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from streamformer_export.config import Config
from streamformer_export.errors import ExportError
from streamformer_export.families import TEXT_TO_TEXT, Model, Task
from streamformer_export.families.seq2seq import (
    BART_TABLES,
    bart_shape,
    bart_stacks,
    encoder_decoder,
)
from streamformer_export.generation import read_generation
from streamformer_export.native_marian import find_shortlist
from streamformer_export.quantize import Table
from streamformer_export.weights import Weights

TASKS = TEXT_TO_TEXT


def read(folder: Path, config: Config, task: Task = Task.TRANSLATION) -> Model:
    config.require("model_type", "marian")
    config.require("architectures", ["MarianMTModel"])
    # Words of older configurations, which transformers does not compute otherwise.
    config.unread("normalize_before", False)
    config.unread("normalize_embedding", False)
    config.unread("add_final_layer_norm", False)
    config.unread("add_bias_logits", False)
    config.unread("force_bos_token_to_be_generated", False)
    config.unread("static_position_embeddings", True)
    words = target_words = config.take("vocab_size", 58101)
    shared = config.take("share_encoder_decoder_embeddings", True)
    if shared:
        config.require("decoder_vocab_size", words, None)
    else:
        target_words = config.take("decoder_vocab_size", None) or words
    shape = bart_shape(config, "gelu", target_words)
    tied = config.take("tie_word_embeddings", True)
    positions = config.take("max_position_embeddings", 1024)
    table = Table("positions", sinusoids(positions, shape.width))
    encoder, decoder = bart_stacks(config, positions=table)
    stacks = (
        replace(encoder, words=("vocab_size", words)),
        replace(decoder, words=("decoder_vocab_size", shape.vocabulary)),
    )
    generation = read_generation(folder, config, shape.vocabulary, task)
    config.refuse_rest()
    weights = Weights(folder)
    table, source, target, head = BART_TABLES
    weights.tie(*([table, source] if shared else []), target, *([head] if tied else []))
    # Positions are what the formula gives.
    for side in ("encoder", "decoder"):
        weights.ignore(f"model.{side}.embed_positions.weight")
    shortlist = find_shortlist(folder)
    if shortlist and not shared:
        raise ExportError(
            "A shortlist offers the source's own tokens too, so both sides share a vocabulary: "
            f"share_encoder_decoder_embeddings is false. Remove {shortlist.name}."
        )
    return encoder_decoder(
        "marian", task, positions, shape, stacks, weights, generation, shortlist=shortlist
    )


def sinusoids(positions: int, width: int) -> np.ndarray:
    """transformers' sinusoidal positions (positions, width): all sines, then all cosines."""
    angle = np.arange(positions)[:, None] / np.power(10000, 2 * (np.arange(width) // 2) / width)
    both = np.concatenate([np.sin(angle[:, 0::2]), np.cos(angle[:, 1::2])], axis=1)
    return both.astype(np.float32)
