"""M2M100 and NLLB: pre-norm encoder-decoders for many languages (Fan et al. 2020, NLLB 2022).

Every generated token has the next position. transformers gives none to a padding token in an
answer, which a trained model does not write.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from streamformer_export.config import Config
from streamformer_export.errors import ExportError
from streamformer_export.families import TEXT_TO_TEXT, Model, Task
from streamformer_export.families.seq2seq import (
    bart_shape,
    bart_stacks,
    bart_weights,
    encoder_decoder,
)
from streamformer_export.generation import read_generation
from streamformer_export.quantize import Table
from streamformer_export.tokenizer import may_write

TASKS = TEXT_TO_TEXT


def read(folder: Path, config: Config, task: Task = Task.TRANSLATION) -> Model:
    config.require("model_type", "m2m_100")
    config.require("architectures", ["M2M100ForConditionalGeneration"])
    shape = bart_shape(config, "relu", config.take("vocab_size", 128112), scaled=True)
    positions = config.take("max_position_embeddings", 1024)
    padding = config.take("pad_token_id", 1)
    if may_write(folder, padding):
        raise ExportError(
            f"config.json: pad_token_id is {padding}, which the tokenizer writes into texts. Such "
            "tokens would have no position of their own. Set it to the tokenizer's padding token."
        )
    stacks = bart_stacks(
        config,
        pre_norm=True,
        final_norm="model.{side}.layer_norm",
        # The first token's position is the one behind the padding's id.
        positions=Table("positions", sinusoids(padding + 1 + positions, shape.width)),
        first_position=padding + 1,
        words=("vocab_size", shape.vocabulary),
    )
    generation = read_generation(folder, config, shape.vocabulary, task)
    weights = bart_weights(folder, config)
    config.refuse_rest()
    # Positions are what the formula gives.
    for side in ("encoder", "decoder"):
        weights.ignore(f"model.{side}.embed_positions.weights")
    return encoder_decoder(
        "m2m_100",
        task,
        positions,
        shape,
        stacks,
        weights,
        generation,
        names_source_language=True,
        names_target_language=True,
    )


def sinusoids(positions: int, width: int) -> np.ndarray:
    """fairseq's sinusoidal positions (positions, width): all sines, then all cosines.

    transformers computes them in float32; so does this, step by step.
    """
    half = width // 2
    rates = np.exp(np.arange(half, dtype=np.float32) * np.float32(-math.log(10000) / (half - 1)))
    angles = np.arange(positions, dtype=np.float32)[:, None] * rates[None, :]
    both = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
    return np.pad(both, ((0, 0), (0, width % 2)))
