"""ELECTRA's discriminator (Clark et al. 2020): BERT with embeddings of their own width."""

from __future__ import annotations

from pathlib import Path

from streamformer_export.config import Config
from streamformer_export.families import Model
from streamformer_export.families.heads import Names, read_model, read_sizes, require_encoder
from streamformer_export.graph.encoder import Encoder, bert_layers
from streamformer_export.graph.heads import Classifier, PoolingMode
from streamformer_export.graph.layers import ACTIVATIONS

NAMES = Names(
    classes="Electra",
    encoder="electra",
    classifier=Classifier(
        dense="classifier.dense", activation="Gelu", output="classifier.out_proj"
    ),
)


def read(
    folder: Path,
    config: Config,
    pooling: PoolingMode | None = None,
    normalize: bool | None = None,
) -> Model:
    require_encoder(config)
    config.require("hidden_act", "gelu", *ACTIVATIONS)
    sizes = read_sizes(
        config, embedding=128, hidden_size=256, intermediate_size=1024, num_attention_heads=4
    )
    encoder = Encoder(
        layers=bert_layers(config.take("num_hidden_layers", 12)),
        heads=sizes.heads[1],
        activation=config.take("hidden_act", "gelu"),
        epsilon=config.take("layer_norm_eps", 1e-12),
        projection="embeddings_project" if sizes.embedding[1] != sizes.width[1] else "",
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
