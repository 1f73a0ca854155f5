"""ALBERT (Lan et al. 2020): layers that share weights, embeddings of their own width."""

from __future__ import annotations

from pathlib import Path

from streamformer_export.config import Config
from streamformer_export.families import Model
from streamformer_export.families.heads import Names, read_model, read_sizes, require_encoder
from streamformer_export.graph.encoder import Encoder, Layer
from streamformer_export.graph.heads import Classifier, PoolingMode
from streamformer_export.graph.layers import ACTIVATIONS

NAMES = Names(
    classes="Albert",
    encoder="albert",
    classifier=Classifier(dense="albert.pooler", activation="Tanh", output="classifier"),
    pooler="pooler",
)


def read(
    folder: Path,
    config: Config,
    pooling: PoolingMode | None = None,
    normalize: bool | None = None,
) -> Model:
    require_encoder(config)
    config.require("hidden_act", "gelu_new", *ACTIVATIONS)
    sizes = read_sizes(
        config,
        embedding=128,
        vocab_size=30000,
        hidden_size=4096,
        intermediate_size=16384,
        num_attention_heads=64,
    )
    # Of the code before transformers', at the values that make no difference.
    config.unread("down_scale_factor", 1)
    config.unread("gap_size", 0)
    config.unread("net_structure_type", 0)
    config.unread("num_memory_blocks", 0)
    count = config.take("num_hidden_layers", 12)
    groups = config.take("num_hidden_groups", 1)
    inner = config.take("inner_group_num", 1)
    encoder = Encoder(
        layers=tuple(
            _layer(f"encoder.albert_layer_groups.{int(i / (count / groups))}.albert_layers.{k}")
            for i in range(count)
            for k in range(inner)
        ),
        heads=sizes.heads[1],
        activation=config.take("hidden_act", "gelu_new"),
        epsilon=config.take("layer_norm_eps", 1e-12),
        projection="encoder.embedding_hidden_mapping_in",
    )
    return read_model(
        folder,
        config,
        NAMES,
        sizes,
        encoder,
        positions=sizes.positions[1],
        padding_id=config.take("pad_token_id", 0),
        pooling=pooling,
        normalize=normalize,
    )


def _layer(name: str) -> Layer:
    return Layer(
        query=f"{name}.attention.query",
        key=f"{name}.attention.key",
        value=f"{name}.attention.value",
        attention_output=f"{name}.attention.dense",
        attention_norm=f"{name}.attention.LayerNorm",
        intermediate=f"{name}.ffn",
        output=f"{name}.ffn_output",
        output_norm=f"{name}.full_layer_layer_norm",
    )
