"""The families of models that can be exported; a family is one file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from pathlib import Path

from streamformer_export import native_marian
from streamformer_export.errors import ExportError
from streamformer_export.generation import Defaults
from streamformer_export.graph.builder import Graph
from streamformer_export.graph.heads import Pooling, PoolingMode
from streamformer_export.graph.search_state import Rules
from streamformer_export.quantize import Range, Scheme
from streamformer_export.weights import read_json

# model_type of config.json → the module that reads such a folder.
ENCODERS = {
    "albert": "albert",
    "bert": "bert",
    "distilbert": "distilbert",
    "electra": "electra",
    "roberta": "roberta",
    "xlm-roberta": "roberta",
}
FAMILIES = ENCODERS | {
    "bart": "bart",
    "gpt2": "gpt2",
    "m2m_100": "m2m_100",
    "marian": "marian",
    "mbart": "mbart",
    "mt5": "t5",
    "t5": "t5",
}


class Task(StrEnum):
    """Tasks, by their Hugging Face names."""

    TEXT_CLASSIFICATION = "text-classification"
    TOKEN_CLASSIFICATION = "token-classification"
    QUESTION_ANSWERING = "question-answering"
    FEATURE_EXTRACTION = "feature-extraction"
    TRANSLATION = "translation"
    SUMMARIZATION = "summarization"
    TEXT2TEXT_GENERATION = "text2text-generation"
    TEXT_GENERATION = "text-generation"

    @property
    def generates(self) -> bool:
        return self in (*TEXT_TO_TEXT, Task.TEXT_GENERATION)


# What an encoder-decoder may be trained for; its configuration does not tell.
TEXT_TO_TEXT = (Task.TRANSLATION, Task.SUMMARIZATION, Task.TEXT2TEXT_GENERATION)


@dataclass(frozen=True)
class Model:
    """A model folder, read and checked: all that an export needs to know."""

    family: str
    task: Task
    max_positions: int
    pad_token_id: int
    # Takes the Options of decoding too, where the model generates.
    build: Callable[..., Graph]
    # Reads an answer instead of searching one; a classifier's is its only graph.
    build_scorer: Callable[[Scheme], Graph]
    labels: tuple[str, ...] = ()
    # What a text classifier's logits mean, by transformers' names.
    problem_type: str = ""
    # How a feature extractor's embeddings come about.
    pooling: Pooling | None = None
    rules: Rules | None = None
    defaults: Defaults | None = None
    # The most tokens of an answer, where other than max_positions.
    max_output: int | None = None
    # Whether tokens tell the model the language of its input, and of its output.
    names_source_language: bool = False
    names_target_language: bool = False
    # Scales of int8 that come with the weights, by matrix.
    ranges: Mapping[str, Range] | None = None
    # What int8 leaves in float32 besides, for the card.
    sensitive: str = ""
    # File of a lexical shortlist; the graph then has the input `shortlist`.
    shortlist: Path | None = None
    # Whether transformers runs such a folder, and so answers its golden texts.
    has_reference: bool = True


def read_model(
    folder: Path,
    pooling: PoolingMode | None = None,
    normalize: bool | None = None,
    task: Task | None = None,
    direction: str | None = None,
) -> Model:
    """Reads a Hugging Face folder, or a Marian student's; raises ExportError for what is not
    supported.

    `pooling` and `normalize` say how an encoder without a head embeds; by default the folder does.
    `task` is one of the family's tasks, where its configuration leaves several open. `direction`
    names the languages of a translation where settings of their own may be there, as en_to_de.
    """
    if native_marian.find_model(folder):
        return import_module(f"{__name__}.marian_student").read(folder)
    model_type = read_json(folder / "config.json").get("model_type")
    if model_type not in FAMILIES:
        raise ExportError(
            f"A model's family is one of {', '.join(FAMILIES)}: model_type is {model_type!r}. "
            "Add the family (README.md says how) or export another model."
        )
    module = import_module(f"{__name__}.{FAMILIES[model_type]}")
    tasks = getattr(module, "TASKS", ())
    if task and task not in tasks:
        raise ExportError(
            f"The tasks of {model_type} are {', '.join(tasks) or 'those of its heads'}: --task is "
            f"{task}. Leave it out or choose another."
        )
    if model_type in ENCODERS:
        return module.read(folder, pooling, normalize)
    if direction is not None and FAMILIES[model_type] == "t5":
        return module.read(folder, task or Task.TRANSLATION, direction)
    return module.read(folder, task) if task else module.read(folder)


def has_heads(folder: Path) -> bool:
    """Whether the folder's family has heads, which tell its task."""
    return read_json(folder / "config.json").get("model_type") in ENCODERS
