"""Which head a folder's encoder has, and the model that both make."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from streamformer_export.config import Config
from streamformer_export.errors import ExportError
from streamformer_export.families import Model, Task
from streamformer_export.families.pooling import read_pooling
from streamformer_export.families.scores import read_problem_type
from streamformer_export.families.sizes import check_shape, head_width
from streamformer_export.graph import heads
from streamformer_export.graph.builder import Graph
from streamformer_export.graph.encoder import Encoder, EncoderBuilder
from streamformer_export.graph.heads import Classifier, PoolingMode
from streamformer_export.quantize import Scheme
from streamformer_export.weights import Weights

# What follows the family's name in the class of `architectures`.
TASKS = {
    "ForSequenceClassification": Task.TEXT_CLASSIFICATION,
    "ForTokenClassification": Task.TOKEN_CLASSIFICATION,
    "ForQuestionAnswering": Task.QUESTION_ANSWERING,
    "Model": Task.FEATURE_EXTRACTION,
}


@dataclass(frozen=True)
class Names:
    """What a family calls things: its classes, its encoder, its classification head."""

    classes: str
    encoder: str
    classifier: Classifier
    # Made in training and read by no head but a text classifier's, if at all.
    pooler: str = "pooler.dense"


@dataclass(frozen=True)
class Sizes:
    """The sizes of an encoder, each its key in config.json and its value."""

    vocabulary: tuple[str, int]
    width: tuple[str, int]
    inner: tuple[str, int]
    heads: tuple[str, int]
    positions: tuple[str, int]
    types: tuple[str, int]
    # The width of the embeddings.
    embedding: tuple[str, int]

    def check(self, weights: Weights, prefix: str, encoder: Encoder) -> None:
        """Refuses sizes that contradict each other or the weights."""
        head_width(self.width, self.heads)
        table = f"{prefix}embeddings.{{}}_embeddings.weight".format
        check_shape(weights, table("word"), self.vocabulary, self.embedding)
        check_shape(weights, table("position"), self.positions, self.embedding)
        check_shape(weights, table("token_type"), self.types, self.embedding)
        for layer in encoder.layers:
            check_shape(weights, f"{prefix}{layer.query}.weight", self.width, self.width)
            check_shape(weights, f"{prefix}{layer.intermediate}.weight", self.inner, self.width)


def read_sizes(config: Config, *, embedding: int | None = None, **defaults: int) -> Sizes:
    """The sizes by BERT's names, with the defaults of a family where they are not BERT's.

    `embedding` is the default of embedding_size, which a family may have beside hidden_size.
    """
    values = {
        "vocab_size": 30522,
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_attention_heads": 12,
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
    }
    sizes = [(key, config.take(key, value)) for key, value in (values | defaults).items()]
    width = sizes[1]
    if embedding is not None:
        width = "embedding_size", config.take("embedding_size", embedding)
    return Sizes(*sizes, width)


def require_encoder(config: Config) -> None:
    """Refuses what would make another computation of an encoder."""
    config.require("position_embedding_type", "absolute")
    config.require("is_decoder", False)
    config.require("is_encoder_decoder", False)


def read_model(
    folder: Path,
    config: Config,
    names: Names,
    sizes: Sizes,
    encoder: Encoder,
    *,
    positions: int,
    padding_id: int,
    pooling: PoolingMode | None,
    normalize: bool | None,
) -> Model:
    """The model of a folder whose configuration the family has read, but for its head.

    `positions` are the tokens that the model reads at most.
    """
    task = _task(config, names)
    labels = _labels(config, task)
    problem = ""
    if task is Task.TEXT_CLASSIFICATION:
        problem = read_problem_type(folder, config, len(labels))
    family = config.take("model_type")
    config.refuse_rest()
    if task is not Task.FEATURE_EXTRACTION and (pooling or normalize is not None):
        raise ExportError(
            f"An encoder without a head is pooled: this one's task is {task}. "
            "Drop --pooling and --normalize."
        )
    weights = Weights(folder)
    # transformers saves an encoder without a head under its own names.
    prefix = f"{names.encoder}."
    if not any(name.startswith(prefix) for name in weights):
        prefix = ""
    weights.ignore(f"{prefix}embeddings.position_ids")
    sizes.check(weights, prefix, encoder)
    if task is not Task.TEXT_CLASSIFICATION:
        weights.ignore(f"{prefix}{names.pooler}.weight", f"{prefix}{names.pooler}.bias")
    pooled = None
    if task is Task.FEATURE_EXTRACTION:
        pooled = read_pooling(folder, pooling, normalize, config.user)

    def build(scheme: Scheme) -> Graph:
        g = Graph(family)
        only_first = task is Task.TEXT_CLASSIFICATION or (
            pooled is not None and pooled.mode is PoolingMode.CLS
        )
        builder = EncoderBuilder(encoder, weights, prefix, scheme)
        x, mask = builder.add(g, only_first=only_first)
        x = scheme.head(x)
        if task is Task.TEXT_CLASSIFICATION:
            heads.classify(g, weights, names.classifier, x, len(labels))
        elif task is Task.TOKEN_CLASSIFICATION:
            heads.classify_tokens(g, weights, x, len(labels))
        elif task is Task.QUESTION_ANSWERING:
            heads.answer(g, weights, x)
        else:
            assert pooled
            heads.embed(g, pooled, x, mask)
        weights.refuse_rest()
        return g

    return Model(
        family=family,
        task=task,
        max_positions=positions,
        # Padding is behind the mask: a model without one, or with -1, takes any token.
        pad_token_id=max(padding_id or 0, 0),
        labels=labels,
        problem_type=problem,
        pooling=pooled,
        build=build,
        build_scorer=build,
    )


def _task(config: Config, names: Names) -> Task:
    supported = {f"{names.classes}{suffix}": task for suffix, task in TASKS.items()}
    config.require("architectures", *([name] for name in supported))
    return supported[config.take("architectures")[0]]


def _labels(config: Config, task: Task) -> tuple[str, ...]:
    """The names of the logits, as transformers' pipelines give them; () where a task has none."""
    count, names = config.take("num_labels", None), config.take("id2label", None)
    others = config.take("label2id", None)
    if task not in (Task.TEXT_CLASSIFICATION, Task.TOKEN_CLASSIFICATION):
        return ()
    if not isinstance(count, int | None) or isinstance(count, bool):
        raise _refused("num_labels", count, "Give the number of labels")
    if names is None:
        labels = [f"LABEL_{i}" for i in range(2 if count is None else count)]
        if others and set(others) != set(labels):
            raise _refused(
                "label2id", others, "transformers takes names from id2label alone: add id2label"
            )
        return tuple(labels)
    if not isinstance(names, dict) or not all(re.fullmatch(r"\+?\d+", key) for key in names):
        raise _refused("id2label", names, "Give a label for each number from 0: {'0': 'first'}")
    by_number = {int(key): name for key, name in names.items()}
    if sorted(by_number) != list(range(len(names))):
        raise _refused("id2label", names, "Number the labels from 0, without gaps")
    if count not in (None, len(names)):
        raise _refused("num_labels", count, f"id2label has {len(names)} labels. Correct one")
    labels = []
    for number, name in sorted(by_number.items()):
        # transformers leaves numbers as they are; a label of ours is text.
        if isinstance(name, bool) or not isinstance(name, str | int | float) or name == "":
            raise _refused(f"id2label.{number}", name, "Give the label a name")
        labels.append(str(name))
    twice = next((name for name in labels if labels.count(name) > 1), None)
    if twice is not None and task is Task.TEXT_CLASSIFICATION:
        raise _refused("id2label", names, f"Two labels are called {twice!r}: rename one")
    return tuple(labels)


def _refused(key: str, value: object, next_step: str) -> ExportError:
    shown = repr(value)
    if len(shown) > 200:
        shown = f"{shown[:200]}..."
    return ExportError(f"config.json: {key} is {shown}. {next_step}.")
