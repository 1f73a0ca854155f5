"""BART: post-norm encoder-decoder with learned positions (Lewis et al. 2020)."""

from __future__ import annotations

from pathlib import Path

from streamformer_export.families import TEXT_TO_TEXT, Model, Task
from streamformer_export.families.seq2seq import (
    BART_IGNORED,
    bart_shape,
    bart_stacks,
    bart_weights,
    encoder_decoder,
)
from streamformer_export.generation import read_generation
from streamformer_export.weights import Config, read_json

TASKS = TEXT_TO_TEXT


def read(folder: Path, task: Task = Task.SUMMARIZATION) -> Model:
    config = Config(read_json(folder / "config.json"), "config.json")
    config.require("model_type", "bart")
    config.require("architectures", ["BartForConditionalGeneration"])
    # Words of older configurations, which transformers does not compute otherwise.
    config.require("normalize_before", False)
    config.require("normalize_embedding", True)
    config.require("add_final_layer_norm", False)
    config.require("add_bias_logits", False)
    config.require("static_position_embeddings", False)
    # forced_bos_token_id took its place.
    config.ignore(("force_bos_token_to_be_generated",))
    shape = bart_shape(config, "gelu", config.take("vocab_size", 50265))
    positions = config.take("max_position_embeddings", 1024)
    stacks = bart_stacks(
        config,
        embedding_norm="model.{side}.layernorm_embedding",
        learned_positions="model.{side}.embed_positions",
        # Padding once had two of the positions.
        first_position=2,
    )
    generation = read_generation(folder, config, shape.vocabulary, task)
    weights = bart_weights(folder, config)
    config.ignore(BART_IGNORED)
    config.refuse_rest()
    # Of fairseq.
    weights.ignore("model.encoder.version", "model.decoder.version")
    return encoder_decoder("bart", task, positions, shape, stacks, weights, generation)
