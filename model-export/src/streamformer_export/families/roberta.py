"""RoBERTa (Liu et al. 2019) and XLM-RoBERTa (Conneau et al. 2020): BERT with its own positions."""

from __future__ import annotations

from pathlib import Path

from streamformer_export.config import Config
from streamformer_export.families import Model
from streamformer_export.families.heads import Names, read_model, read_sizes, require_encoder
from streamformer_export.graph.encoder import Encoder, bert_layers
from streamformer_export.graph.heads import Classifier, PoolingMode
from streamformer_export.graph.layers import ACTIVATIONS
from streamformer_export.tokenizer import may_write

HEAD = Classifier(dense="classifier.dense", activation="Tanh", output="classifier.out_proj")
# By model_type.
NAMES = {
    "roberta": Names(classes="Roberta", encoder="roberta", classifier=HEAD),
    "xlm-roberta": Names(classes="XLMRoberta", encoder="roberta", classifier=HEAD),
}


def read(
    folder: Path,
    config: Config,
    pooling: PoolingMode | None = None,
    normalize: bool | None = None,
) -> Model:
    require_encoder(config)
    config.require("hidden_act", "gelu", *ACTIVATIONS)
    sizes = read_sizes(config, vocab_size=50265)
    padding_id = config.take("pad_token_id", 1)
    # The first token's position is the padding's id and one.
    skipped = padding_id + 1
    encoder = Encoder(
        layers=bert_layers(config.take("num_hidden_layers", 12)),
        heads=sizes.heads[1],
        activation=config.take("hidden_act", "gelu"),
        epsilon=config.take("layer_norm_eps", 1e-12),
        skipped_positions=skipped,
        unplaced_id=padding_id if may_write(folder, padding_id) else None,
    )
    return read_model(
        folder,
        config,
        NAMES[config.take("model_type")],
        sizes,
        encoder,
        positions=sizes.positions[1] - skipped,
        padding_id=padding_id,
        pooling=pooling,
        normalize=normalize,
    )
