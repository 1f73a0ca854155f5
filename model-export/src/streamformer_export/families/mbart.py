"""mBART: BART that normalizes first and is told its languages (Liu et al. 2020)."""

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
from streamformer_export.generation import read_generation

TASKS = TEXT_TO_TEXT


def read(folder: Path, config: Config, task: Task = Task.TRANSLATION) -> Model:
    config.require("model_type", "mbart")
    config.require("architectures", ["MBartForConditionalGeneration"])
    # Words of older configurations, which transformers does not compute otherwise.
    config.unread("normalize_before", True)
    config.unread("normalize_embedding", True)
    config.unread("add_final_layer_norm", True)
    config.unread("add_bias_logits", False)
    config.unread("static_position_embeddings", False)
    shape = bart_shape(config, "gelu", config.take("vocab_size", 50265))
    positions = config.take("max_position_embeddings", 1024)
    stacks = bart_stacks(
        config,
        pre_norm=True,
        final_norm="model.{side}.layer_norm",
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
    rules = generation[0]
    return encoder_decoder(
        "mbart",
        task,
        positions,
        shape,
        stacks,
        weights,
        generation,
        names_source_language=True,
        # mBART-50 begins with the end token; in mBART-25 the start is the language itself.
        names_target_language=rules.start_id == rules.end_id,
    )
