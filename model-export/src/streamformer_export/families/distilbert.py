"""DistilBERT (Sanh et al. 2019): BERT without token types and pooler, in names of its own."""

from __future__ import annotations

from pathlib import Path

from streamformer_export.families import Model
from streamformer_export.families.heads import Names, read_model, require_encoder
from streamformer_export.graph.encoder import Encoder, Layer
from streamformer_export.graph.heads import Classifier, PoolingMode
from streamformer_export.graph.layers import ACTIVATIONS
from streamformer_export.weights import Config, read_json

NAMES = Names(
    classes="DistilBert",
    encoder="distilbert",
    classifier=Classifier(dense="pre_classifier", activation="Relu", output="classifier"),
)
# transformers has it in its code.
EPSILON = 1e-12


def read(folder: Path, pooling: PoolingMode | None = None, normalize: bool | None = None) -> Model:
    config = Config(read_json(folder / "config.json"), "config.json")
    require_encoder(config)
    config.require("activation", "gelu", *ACTIVATIONS)
    # The table of positions is stored, sinusoidal or not.
    config.ignore(("sinusoidal_pos_embds", "dim", "hidden_dim"))
    config.ignore(("attention_dropout", "dropout", "qa_dropout", "seq_classif_dropout"))
    encoder = Encoder(
        layers=tuple(_layer(f"transformer.layer.{i}") for i in range(config.take("n_layers", 6))),
        heads=config.take("n_heads", 12),
        activation=config.take("activation", "gelu"),
        epsilon=EPSILON,
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
