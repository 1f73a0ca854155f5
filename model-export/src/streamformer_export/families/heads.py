"""Which head a folder's encoder has, and the model that both make."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from streamformer_export.errors import ExportError
from streamformer_export.families import Model, Task
from streamformer_export.families.pooling import read_pooling
from streamformer_export.graph import heads
from streamformer_export.graph.builder import Graph
from streamformer_export.graph.encoder import Encoder, EncoderBuilder
from streamformer_export.graph.heads import Classifier, PoolingMode
from streamformer_export.quantize import Scheme
from streamformer_export.weights import COMMON_KEYS, Config, Weights

# What follows the family's name in the class of `architectures`.
TASKS = {
    "ForSequenceClassification": Task.TEXT_CLASSIFICATION,
    "ForTokenClassification": Task.TOKEN_CLASSIFICATION,
    "ForQuestionAnswering": Task.QUESTION_ANSWERING,
    "Model": Task.FEATURE_EXTRACTION,
}
PROBLEM_TYPES = ("single_label_classification", "multi_label_classification", "regression")

# Keys of every encoder that only training looks at, or nobody any more.
IGNORED_KEYS = (
    *COMMON_KEYS,
    "language",
    "name",
    "output_past",
    "tie_weights_",
    "bos_token_id",
    "classifier_dropout",
    "eos_token_id",
    "hidden_dropout_prob",
    "initializer_range",
    "attention_probs_dropout_prob",
    "tie_word_embeddings",
)
# Sizes that the shapes of the tensors tell.
SIZES = ("embedding_size", "hidden_size", "intermediate_size", "type_vocab_size", "vocab_size")


@dataclass(frozen=True)
class Names:
    """What a family calls things: its classes, its encoder, its classification head."""

    classes: str
    encoder: str
    classifier: Classifier
    # Made in training and read by no head but a text classifier's, if at all.
    pooler: str = "pooler.dense"


def require_encoder(config: Config) -> None:
    """Refuses what would make another computation of an encoder."""
    config.require("position_embedding_type", "absolute")
    config.require("is_decoder", False)
    config.require("add_cross_attention", False)
    config.require("is_encoder_decoder", False)
    config.require("pruned_heads", {}, None)


def read_model(
    folder: Path,
    config: Config,
    names: Names,
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
    problem = _problem_type(config, labels)
    family = config.take("model_type")
    config.ignore((*IGNORED_KEYS, *SIZES))
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
    width = len(weights[f"{prefix}{encoder.layers[0].query}.bias"])
    if width % encoder.heads:
        raise ExportError(
            f"Every head has the same width: the layers' width {width} is no multiple of their "
            f"{encoder.heads} heads. Restore config.json."
        )
    weights.ignore(f"{prefix}embeddings.position_ids")
    if task is not Task.TEXT_CLASSIFICATION:
        weights.ignore(f"{prefix}{names.pooler}.weight", f"{prefix}{names.pooler}.bias")
    pooled = None
    if task is Task.FEATURE_EXTRACTION:
        pooled = read_pooling(folder, pooling, normalize)

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
        pad_token_id=padding_id,
        labels=labels,
        problem_type=problem if task is Task.TEXT_CLASSIFICATION else "",
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


def _problem_type(config: Config, labels: tuple[str, ...]) -> str:
    config.require("problem_type", None, *PROBLEM_TYPES)
    problem = config.take("problem_type", None) or PROBLEM_TYPES[0]
    # As in transformers' pipeline: the softmax over one label would always be 1.
    one = problem == "single_label_classification" and len(labels) == 1
    return "multi_label_classification" if one else problem
