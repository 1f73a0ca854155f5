"""BART: post-norm encoder-decoder with learned positions (Lewis et al. 2020)."""

from __future__ import annotations

from pathlib import Path

from streamformer_export.config import Config
from streamformer_export.families import TEXT_TO_TEXT, Model, Task
from streamformer_export.families.seq2seq import (
    bart_shape,
    bart_stacks,
    bart_weights,
    encoder_decoder,
)
from streamformer_export.generation import GENERATION, read_generation

TASKS = TEXT_TO_TEXT


def read(folder: Path, config: Config, task: Task = Task.SUMMARIZATION) -> Model:
    config.require("model_type", "bart")
    config.require("architectures", ["BartForConditionalGeneration"])
    # Words of older configurations, which transformers does not compute otherwise.
    config.unread("normalize_before", False)
    config.unread("normalize_embedding", True)
    config.unread("add_final_layer_norm", False)
    config.unread("add_bias_logits", False)
    config.unread("static_position_embeddings", False)
    if config.hint("forced_bos_token_id") is None and not (folder / GENERATION).is_file():
        # Before 5, transformers forced bos_token_id by this word.
        config.unread("force_bos_token_to_be_generated", False)
    config.ignore(("force_bos_token_to_be_generated",))
    shape = bart_shape(config, "gelu", config.take("vocab_size", 50265))
    positions = config.take("max_position_embeddings", 1024)
    stacks = bart_stacks(
        config,
        embedding_norm="model.{side}.layernorm_embedding",
        learned_positions="model.{side}.embed_positions",
        # Padding once had two of the positions.
        first_position=2,
        words=("vocab_size", shape.vocabulary),
        learned_rows=("max_position_embeddings + 2", positions + 2),
    )
    generation = read_generation(folder, config, shape.vocabulary, task)
    weights = bart_weights(folder, config)
    config.refuse_rest()
    # Of fairseq.
    weights.ignore("model.encoder.version", "model.decoder.version")
    return encoder_decoder("bart", task, positions, shape, stacks, weights, generation)
