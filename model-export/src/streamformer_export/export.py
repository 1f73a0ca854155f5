"""Export: a model folder becomes a bundle."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from onnx import TensorProto
from tqdm import tqdm

from streamformer_export import card, golden, reference, schema, tokenizer
from streamformer_export.bundle import (
    CARD,
    FORMAT,
    GOLDEN,
    TOKENIZER,
    Bundle,
    refuse_existing,
    replace_folder,
    to_json,
    write_manifest,
)
from streamformer_export.calibrate import calibrate
from streamformer_export.datasets import dataset_name, read_data
from streamformer_export.errors import ExportError
from streamformer_export.families import Model, read_model
from streamformer_export.graph.builder import Value
from streamformer_export.quantize import Range, Scheme, Static
from streamformer_export.training.data import read_lines, sentence_key

VERSION = "0.1.0"

# More did not change the ranges that were chosen.
CALIBRATION_TEXTS = 400

TYPES = {
    TensorProto.FLOAT: "float32",
    TensorProto.INT32: "int32",
    TensorProto.INT64: "int64",
}


class Variant(StrEnum):
    """Graphs that can be built."""

    FP32 = "fp32"
    INT8 = "int8"


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
    languages: tuple[str, ...] = ()
    target_languages: tuple[str, ...] = ()
    source: str = ""
    license: str = ""
    limitations: str = ""
    command: str = ""
    max_tokens: int | None = None
    num_beams: int | None = None
    length_penalty: float | None = None
    max_new_tokens: int | None = None
    max_length_factor: float = 2.0
    max_length_offset: int = 16
    calibrate: tuple[str, ...] = ()
    held_out: Path | None = None
    golden_texts: Path | None = None
    answers: Answers = Answers.AUTO


def export(folder: Path, out: Path, settings: Settings, *, force: bool = False) -> Bundle:
    """Writes the bundle of a model folder to `out`; raises ExportError and leaves nothing half."""
    refuse_existing(out, force)
    if not settings.variants:
        raise ExportError("A bundle has at least one variant: none was given. Add --variant int8.")
    model = read_model(folder)
    content, special = tokenizer.read_tokenizer(folder)
    draft_folder = out.with_name(f".{out.name}.draft")
    shutil.rmtree(draft_folder, ignore_errors=True)
    draft_folder.mkdir(parents=True)
    try:
        (draft_folder / TOKENIZER).write_text(to_json(content), encoding="utf-8")
        manifest = _manifest(folder, model, settings, special)
        # The fp32 graph answers the golden texts where transformers is not installed.
        use_graph = settings.answers is Answers.GRAPH or (
            settings.answers is Answers.AUTO and not reference.available()
        )
        extra = [Variant.FP32] if use_graph and Variant.FP32 not in settings.variants else []
        draft = Bundle(draft_folder, manifest)
        texts = golden.texts(settings.golden_texts, draft.max_tokens)

        def ranges() -> dict[str, Range]:
            chosen = _calibration_texts(draft, settings) or texts
            return calibrate(model, [draft.ids(text) for text in chosen], VERSION)

        values = _write_graphs(draft_folder, model, [*settings.variants, *extra], manifest, ranges)
        manifest["inputs"], manifest["outputs"] = values
        by = golden.write(draft, folder, texts, "fp32" if use_graph else None)
        for variant in tqdm(settings.variants, desc="golden texts", unit="variant"):
            apart, equal = golden.differences(draft, variant)
            manifest["variants"][variant]["tolerance"] = tolerance(
                variant, apart, equal, len(texts)
            )
        for variant in extra:
            (draft_folder / manifest["variants"].pop(variant)["file"]).unlink()
        (draft_folder / CARD).write_text(
            card.write(manifest, _made(settings, by)), encoding="utf-8"
        )
        write_manifest(draft_folder, manifest)
        Bundle.read(draft_folder)
        schema.check(Bundle.read(draft_folder).manifest)
        replace_folder(draft_folder, out)
    finally:
        shutil.rmtree(draft_folder, ignore_errors=True)
    return Bundle.read(out)


def _calibration_texts(draft: Bundle, settings: Settings) -> list[str]:
    """CALIBRATION_TEXTS of the data sets, evenly spread over each, and none that is held out."""
    texts = []
    kept_away = set()
    if settings.held_out:
        lines = read_lines(settings.held_out)
        kept_away = {sentence_key(line.split("\t")[0]) for line in lines}
    for option in settings.calibrate:
        found = [
            text
            for text in read_data(option, draft).texts
            if text.strip() and sentence_key(text) not in kept_away
        ]
        share = CALIBRATION_TEXTS // len(settings.calibrate)
        texts += found[:: max(1, len(found) // share)][:share]
    return texts


def _made(settings: Settings, golden_by: str) -> str:
    lines = []
    if settings.limitations:
        lines += [settings.limitations, ""]
    if settings.command:
        lines += [f"    {settings.command}", ""]
    if Variant.INT8 in settings.variants:
        names = [dataset_name(option) for option in settings.calibrate] or ["the golden texts"]
        lines += [f"The scales of int8 were calibrated on {' and '.join(names)}.", ""]
    lines.append(f"The answers in `golden.jsonl` are from {golden_by}.")
    return "\n".join(lines)


def tolerance(variant: Variant, apart: float, equal: float, texts: int) -> dict[str, float]:
    """What a replay accepts: what was seen here, with room for another processor's rounding.

    In int8 a rounding may move an activation by a whole step.
    """
    score, share = (0.001, 0.05) if variant is Variant.FP32 else (0.02, 0.1)
    return {
        "score": round(1.25 * apart + score, 4),
        "equal_share": round(max(0.0, equal - max(2 / texts, share)), 3),
    }


def _manifest(
    folder: Path, model: Model, settings: Settings, special: Sequence[int]
) -> dict[str, Any]:
    longest = tokenizer.longest_input(folder, model.max_positions)
    max_tokens = settings.max_tokens or longest
    if max_tokens > model.max_positions:
        raise ExportError(
            f"A text has at most as many tokens as the model has positions, {model.max_positions}: "
            f"--max-tokens is {max_tokens}. Lower it."
        )
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "name": settings.name,
        "version": settings.version,
        "task": str(model.task),
        "family": model.family,
        "description": settings.description,
        "languages": list(settings.languages),
        "tokenizer": {
            "file": TOKENIZER,
            "pad_token_id": model.pad_token_id,
            "special_token_ids": list(special),
        },
        "limits": {"max_tokens": max_tokens},
        "default_variant": str(settings.variants[0]),
        "variants": {},
        "golden": GOLDEN,
        "source": settings.source,
        "license": settings.license,
        "created_by": f"streamformer-export {VERSION}",
    }
    if model.task.generates:
        manifest["target_languages"] = list(settings.target_languages)
        manifest["decoding"] = _decoding(model, settings)
    else:
        manifest["labels"] = list(model.labels)
    return manifest


def _decoding(model: Model, settings: Settings) -> dict[str, Any]:
    defaults, rules = model.defaults, model.rules
    assert defaults and rules
    most = settings.max_new_tokens or min(defaults.max_new_tokens, model.max_positions)
    if most > model.max_positions:
        raise ExportError(
            f"A text is generated within the model's {model.max_positions} positions: "
            f"--max-new-tokens is {most}. Lower it."
        )
    penalty = settings.length_penalty
    return {
        "num_beams": settings.num_beams or defaults.num_beams,
        "length_penalty": defaults.length_penalty if penalty is None else penalty,
        "max_length_factor": settings.max_length_factor,
        "max_length_offset": settings.max_length_offset,
        "max_new_tokens": most,
        "min_new_tokens": defaults.min_new_tokens,
        "eos_token_id": rules.end_id,
    }


def _write_graphs(
    folder: Path,
    model: Model,
    variants: Sequence[Variant],
    manifest: dict[str, Any],
    ranges: Callable[[], dict[str, Range]],
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Writes each variant's graph; returns the inputs and outputs, which all variants share."""
    values: tuple[list[dict[str, Any]], list[dict[str, Any]]] = ([], [])
    for variant in tqdm(variants, desc="graphs", unit="variant"):
        scheme = Scheme() if variant is Variant.FP32 else Static(ranges())
        graph = model.build(scheme)
        file = f"model.{variant}.onnx"
        (folder / file).write_bytes(graph.model(VERSION).SerializeToString(deterministic=True))
        manifest["variants"][str(variant)] = {
            "file": file,
            "description": scheme.description,
            "tolerance": {"score": 1.0, "equal_share": 0.0},
        }
        values = ([_value(v) for v in graph.inputs], [_value(v) for v in graph.outputs])
    return values


def _value(value: Value) -> dict[str, Any]:
    return {"name": value.name, "type": TYPES[value.type], "shape": list(value.shape)}
