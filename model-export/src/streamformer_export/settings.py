"""What an export is told beside the model folder."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from streamformer_export.answers import Aggregation
from streamformer_export.families import Task
from streamformer_export.graph.heads import PoolingMode
from streamformer_export.graph.options import Option
from streamformer_export.tokenizer import Origin


class Variant(StrEnum):
    """Graphs that can be built."""

    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"
    INT8_FAST = "int8-fast"


class Answers(StrEnum):
    """Who answers the golden texts."""

    AUTO = "auto"
    TRANSFORMERS = "transformers"
    GRAPH = "graph"


@dataclass(frozen=True)
class Settings:
    """Everything of a bundle that the model folder does not say."""

    name: str
    version: str = "1"
    variants: tuple[Variant, ...] = (Variant.INT8,)
    description: str = ""
    # TAG, or TAG=TOKEN where a model is told its languages.
    languages: tuple[str, ...] = ()
    target_languages: tuple[str, ...] = ()
    task: Task | None = None
    # Keys of the folder's files that change nothing, as the user says.
    ignore_keys: tuple[str, ...] = ()
    template: str = ""
    # Words that a model without a head scores behind its texts.
    labels: tuple[str, ...] = ()
    source: str = ""
    license: str = ""
    limitations: str = ""
    command: str = ""
    max_tokens: int | None = None
    num_beams: int | None = None
    length_penalty: float | None = None
    max_new_tokens: int | None = None
    # A translation's own limit, by its length.
    max_length_factor: float | None = None
    max_length_offset: int | None = None
    options: frozenset[Option] = frozenset()
    alignment_layer: int = -1
    calibrate: tuple[str, ...] = ()
    evaluate: tuple[str, ...] = ()
    held_out: Path | None = None
    golden_texts: Path | None = None
    pooling: PoolingMode | None = None
    normalize: bool | None = None
    aggregation: Aggregation = Aggregation.SIMPLE
    # Whether an answer to a question is widened to whole words.
    align_to_words: bool = True
    answers: Answers = Answers.AUTO
    # How far from the reference int8, int8-fast and fp16 may be, in place of their own bounds.
    distance: float | None = None
    # Needed where the folder's tokenizer.json and its class disagree.
    tokenizer: Origin | None = None
