"""The families of models that can be exported; a family is one file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Any

from streamformer_export import native_marian
from streamformer_export.config import Config, IgnoredKeys, read_json
from streamformer_export.config_keys import ALIASES, REFUSED, ignored
from streamformer_export.errors import ExportError
from streamformer_export.generation import KEYS, Defaults
from streamformer_export.graph.builder import Graph
from streamformer_export.graph.heads import Pooling, PoolingMode
from streamformer_export.graph.search_state import Rules
from streamformer_export.quantize import Range, Scheme

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
# Families whose positions begin after the padding's id, and those without a use for it.
PADDING_COUNTS = ("roberta", "xlm-roberta", "m2m_100")
PADDING_UNUSED = ("t5", "mt5", "gpt2")


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
    ignore: Iterable[str] = (),
) -> Model:
    """Reads a Hugging Face folder, or a Marian student's; raises ExportError for what is not
    supported.

    `pooling` and `normalize` say how an encoder without a head embeds; by default the folder does.
    `task` is one of the family's tasks, where its configuration leaves several open. `direction`
    names the languages of a translation where settings of their own may be there, as en_to_de.
    `ignore` are keys of the folder's files that the caller takes for harmless.
    """
    user = IgnoredKeys(ignore)
    model = _read_model(folder, pooling, normalize, task, direction, user)
    user.refuse_absent()
    return model


def read_config(folder: Path, user: IgnoredKeys) -> Config:
    """A folder's config.json; raises ExportError where no family reads such a folder."""
    values = read_json(folder / "config.json")
    model_type = values.get("model_type")
    if model_type not in FAMILIES:
        raise ExportError(
            f"A model's family is one of {', '.join(FAMILIES)}: model_type is {model_type!r}. "
            "Add the family (README.md says how) or export another model."
        )
    if (folder / "adapter_config.json").is_file():
        raise ExportError(
            f"{folder} has an adapter (adapter_config.json), which transformers adds to the "
            "weights. Merge it into them (merge_and_unload of peft) and save the model again."
        )
    family, encodes = FAMILIES[model_type], model_type in ENCODERS
    scopes = ("any", "encoder" if encodes else "generator", family, "generation_config.json")
    kept = ignored(*scopes).keys() | (KEYS if encodes else ())
    config = Config(values, "config.json", kept=kept, aliases=ALIASES.get(family), user=user)
    # Each would make another computation of any model.
    config.require("add_cross_attention", False, None)
    config.require("pruned_heads", {}, None)
    config.require("tie_encoder_decoder", False, None)
    quantized = config.hint("quantization_config")
    if quantized and not _is_plain(quantized):
        raise ExportError(f"config.json: quantization_config {REFUSED['quantization_config']}")
    return config


def _is_plain(quantized: Mapping[str, Any]) -> bool:
    """Whether a quantization_config is bitsandbytes' with everything turned off."""
    method = quantized.get("quant_method", "bitsandbytes")
    return method == "bitsandbytes" and not (
        quantized.get("load_in_8bit") or quantized.get("load_in_4bit")
    )


def _read_model(
    folder: Path,
    pooling: PoolingMode | None,
    normalize: bool | None,
    task: Task | None,
    direction: str | None,
    user: IgnoredKeys,
) -> Model:
    if native_marian.find_model(folder):
        return import_module(f"{__name__}.marian_student").read(folder, user)
    config = read_config(folder, user)
    model_type = config.take("model_type")
    _check_padding(read_json(folder / "config.json"), model_type)
    module = import_module(f"{__name__}.{FAMILIES[model_type]}")
    tasks = getattr(module, "TASKS", ())
    if task and task not in tasks:
        raise ExportError(
            f"The tasks of {model_type} are {', '.join(tasks) or 'those of its heads'}: --task is "
            f"{task}. Leave it out or choose another."
        )
    if model_type in ENCODERS:
        return module.read(folder, config, pooling, normalize)
    if direction is not None and FAMILIES[model_type] == "t5":
        return module.read(folder, config, task or Task.TRANSLATION, direction)
    return module.read(folder, config, task) if task else module.read(folder, config)


def _check_padding(config: dict[str, Any], model_type: str) -> None:
    """Refuses a padding with which transformers cannot load or run the model."""
    padding, size = config.get("pad_token_id", 0), config.get("vocab_size")
    counted = model_type in PADDING_COUNTS
    if (counted and (padding is None or padding < 0)) or (
        model_type not in PADDING_UNUSED and None not in (padding, size) and padding >= size
    ):
        raise ExportError(
            f"config.json: pad_token_id is {padding}, and the ids of {model_type} are 0 to "
            f"vocab_size - 1 ({size}). Set it to the id that the model was trained with."
        )


def has_heads(folder: Path) -> bool:
    """Whether the folder's family has heads, which tell its task."""
    return read_json(folder / "config.json").get("model_type") in ENCODERS
