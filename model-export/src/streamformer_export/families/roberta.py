"""RoBERTa (Liu et al. 2019) and XLM-RoBERTa (Conneau et al. 2020): BERT with its own positions."""

from __future__ import annotations

from pathlib import Path

from streamformer_export.families import Model
from streamformer_export.families.heads import Names, read_model, require_encoder
from streamformer_export.graph.encoder import Encoder, bert_layers
from streamformer_export.graph.heads import Classifier, PoolingMode
from streamformer_export.graph.layers import ACTIVATIONS
from streamformer_export.weights import Config, read_json

HEAD = Classifier(dense="classifier.dense", activation="Tanh", output="classifier.out_proj")
# By model_type.
NAMES = {
    "roberta": Names(classes="Roberta", encoder="roberta", classifier=HEAD),
    "xlm-roberta": Names(classes="XLMRoberta", encoder="roberta", classifier=HEAD),
}


def read(folder: Path, pooling: PoolingMode | None = None, normalize: bool | None = None) -> Model:
    config = Config(read_json(folder / "config.json"), "config.json")
    require_encoder(config)
    config.require("hidden_act", "gelu", *ACTIVATIONS)
    padding_id = config.take("pad_token_id", 1)
    # The first token's position is the padding's id and one.
    skipped = padding_id + 1
    encoder = Encoder(
        layers=bert_layers(config.take("num_hidden_layers", 12)),
        heads=config.take("num_attention_heads", 12),
        activation=config.take("hidden_act", "gelu"),
        epsilon=config.take("layer_norm_eps", 1e-12),
        skipped_positions=skipped,
    )
    return read_model(
        folder,
        config,
        NAMES[config.take("model_type")],
        encoder,
        positions=config.take("max_position_embeddings", 512) - skipped,
        padding_id=padding_id,
        pooling=pooling,
        normalize=normalize,
    )
