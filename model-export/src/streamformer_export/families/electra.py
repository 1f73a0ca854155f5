"""ELECTRA's discriminator (Clark et al. 2020): BERT with embeddings of their own width."""

from __future__ import annotations

from pathlib import Path

from streamformer_export.families import Model
from streamformer_export.families.heads import Names, read_model, require_encoder
from streamformer_export.graph.encoder import Encoder, bert_layers
from streamformer_export.graph.heads import Classifier, PoolingMode
from streamformer_export.graph.layers import ACTIVATIONS
from streamformer_export.weights import Config, read_json

NAMES = Names(
    classes="Electra",
    encoder="electra",
    classifier=Classifier(
        dense="classifier.dense", activation="Gelu", output="classifier.out_proj"
    ),
)


def read(folder: Path, pooling: PoolingMode | None = None, normalize: bool | None = None) -> Model:
    config = Config(read_json(folder / "config.json"), "config.json")
    require_encoder(config)
    config.require("hidden_act", "gelu", *ACTIVATIONS)
    # Of heads for multiple choice.
    config.ignore(
        ("summary_activation", "summary_last_dropout", "summary_type", "summary_use_proj")
    )
    widths = config.take("embedding_size", 128), config.take("hidden_size", 256)
    encoder = Encoder(
        layers=bert_layers(config.take("num_hidden_layers", 12)),
        heads=config.take("num_attention_heads", 4),
        activation=config.take("hidden_act", "gelu"),
        epsilon=config.take("layer_norm_eps", 1e-12),
        projection="embeddings_project" if widths[0] != widths[1] else "",
    )
    return read_model(
        folder,
        config,
        NAMES,
        encoder,
        positions=config.take("max_position_embeddings", 512),
        padding_id=config.take("pad_token_id", 0),
        pooling=pooling,
        normalize=normalize,
    )
