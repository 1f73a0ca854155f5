"""The families of models that can be exported; a family is one file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from pathlib import Path

from streamformer_export.errors import ExportError
from streamformer_export.generation import Defaults
from streamformer_export.graph.builder import Graph
from streamformer_export.graph.decode import Rules
from streamformer_export.quantize import Scheme
from streamformer_export.weights import read_json

# model_type of config.json → the module that reads such a folder.
FAMILIES = {"bert": "bert", "marian": "marian"}


class Task(StrEnum):
    """Tasks, by their Hugging Face names."""

    TEXT_CLASSIFICATION = "text-classification"
    TRANSLATION = "translation"

    @property
    def generates(self) -> bool:
        return self is Task.TRANSLATION


@dataclass(frozen=True)
class Model:
    """A model folder, read and checked: all that an export needs to know."""

    family: str
    task: Task
    max_positions: int
    pad_token_id: int
    build: Callable[[Scheme], Graph]
    # Reads an answer instead of searching one; a classifier's is its only graph.
    build_scorer: Callable[[Scheme], Graph]
    labels: tuple[str, ...] = ()
    rules: Rules | None = None
    defaults: Defaults | None = None


def read_model(folder: Path) -> Model:
    """Reads a Hugging Face folder; raises ExportError for what is not supported."""
    model_type = read_json(folder / "config.json").get("model_type")
    if model_type not in FAMILIES:
        raise ExportError(
            f"A model's family is one of {', '.join(FAMILIES)}: model_type is {model_type!r}. "
            "Add the family (README.md says how) or export another model."
        )
    module = import_module(f"{__name__}.{FAMILIES[model_type]}")
    return module.read(folder)
