"""BERT (Devlin et al. 2019), and SpanBERT, which has its shape."""

from __future__ import annotations

from pathlib import Path

from streamformer_export.families import Model
from streamformer_export.families.heads import Names, read_model, require_encoder
from streamformer_export.graph.encoder import Encoder, bert_layers
from streamformer_export.graph.heads import Classifier, PoolingMode
from streamformer_export.graph.layers import ACTIVATIONS
from streamformer_export.weights import Config, read_json

NAMES = Names(
    classes="Bert",
    encoder="bert",
    classifier=Classifier(dense="bert.pooler.dense", activation="Tanh", output="classifier"),
)


def read(folder: Path, pooling: PoolingMode | None = None, normalize: bool | None = None) -> Model:
    config = Config(read_json(folder / "config.json"), "config.json")
    require_encoder(config)
    # Words of the first release, about a pooler that transformers has not.
    config.ignore(("directionality", "pooler_fc_size", "pooler_num_attention_heads"))
    config.ignore(("pooler_num_fc_layers", "pooler_size_per_head", "pooler_type"))
    config.require("hidden_act", "gelu", *ACTIVATIONS)
    encoder = Encoder(
        layers=bert_layers(config.take("num_hidden_layers", 12)),
        heads=config.take("num_attention_heads", 12),
        activation=config.take("hidden_act", "gelu"),
        epsilon=config.take("layer_norm_eps", 1e-12),
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
