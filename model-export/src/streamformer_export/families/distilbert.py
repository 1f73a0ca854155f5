"""DistilBERT (Sanh et al. 2019): BERT without token types and pooler, in names of its own."""

from __future__ import annotations

from pathlib import Path

from streamformer_export.config import Config
from streamformer_export.families import Model
from streamformer_export.families.heads import Names, Sizes, read_model, require_encoder
from streamformer_export.graph.encoder import Encoder, Layer
from streamformer_export.graph.heads import Classifier, PoolingMode
from streamformer_export.graph.layers import ACTIVATIONS

NAMES = Names(
    classes="DistilBert",
    encoder="distilbert",
    classifier=Classifier(dense="pre_classifier", activation="Relu", output="classifier"),
)
# transformers has it in its code.
EPSILON = 1e-12


def read(
    folder: Path,
    config: Config,
    pooling: PoolingMode | None = None,
    normalize: bool | None = None,
) -> Model:
    require_encoder(config)
    config.require("activation", "gelu", *ACTIVATIONS)
    width = "dim", config.take("dim", 768)
    positions = "max_position_embeddings", config.take("max_position_embeddings", 512)
    sizes = Sizes(
        vocabulary=("vocab_size", config.take("vocab_size", 30522)),
        width=width,
        inner=("hidden_dim", config.take("hidden_dim", 4 * 768)),
        heads=("n_heads", config.take("n_heads", 12)),
        positions=positions,
        # It has no token types.
        types=("", 0),
        embedding=width,
    )
    encoder = Encoder(
        layers=tuple(_layer(f"transformer.layer.{i}") for i in range(config.take("n_layers", 6))),
        heads=sizes.heads[1],
        activation=config.take("activation", "gelu"),
        epsilon=EPSILON,
    )
    return read_model(
        folder,
        config,
        NAMES,
        sizes,
        encoder,
        positions=positions[1],
        padding_id=config.take("pad_token_id", 0),
        pooling=pooling,
        normalize=normalize,
    )


def _layer(name: str) -> Layer:
    return Layer(
        query=f"{name}.attention.q_lin",
        key=f"{name}.attention.k_lin",
        value=f"{name}.attention.v_lin",
        attention_output=f"{name}.attention.out_lin",
        attention_norm=f"{name}.sa_layer_norm",
        intermediate=f"{name}.ffn.lin1",
        output=f"{name}.ffn.lin2",
        output_norm=f"{name}.output_layer_norm",
    )
