"""Export: a model folder becomes a bundle."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any

from onnx import TensorProto
from tokenizers import Encoding
from tqdm import tqdm

from streamformer_export import card, evaluate, golden, half, reference, schema, tokenizer
from streamformer_export.answers import Aggregation
from streamformer_export.bundle import (
    CARD,
    FORMAT,
    GOLDEN,
    SHORTLIST,
    TARGET_TOKENIZER,
    TEXT,
    TOKENIZER,
    Bundle,
    Cut,
    Runner,
    refuse_existing,
    replace_folder,
    to_json,
    write_manifest,
)
from streamformer_export.calibrate import calibrate, largest_half
from streamformer_export.datasets import DataSet, dataset_name, read_data
from streamformer_export.errors import ExportError
from streamformer_export.families import Model, Task, has_heads, read_model
from streamformer_export.families.gpt2 import read_labels
from streamformer_export.graph.builder import Value
from streamformer_export.graph.heads import PoolingMode
from streamformer_export.graph.options import Option, Options
from streamformer_export.languages import Language, token_ids, with_language
from streamformer_export.neighbours import BATCHES, influence
from streamformer_export.quantize import Dynamic, Quantized, Range, Scheme, Static
from streamformer_export.training.data import read_lines, sentence_key

VERSION = "0.1.0"

# What a manifest that is silent means.
DEFAULT_PROBLEM = "single_label_classification"

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
    max_length_factor: float = 2.0
    max_length_offset: int = 16
    options: frozenset[Option] = frozenset()
    alignment_layer: int = -1
    calibrate: tuple[str, ...] = ()
    evaluate: tuple[str, ...] = ()
    held_out: Path | None = None
    golden_texts: Path | None = None
    pooling: PoolingMode | None = None
    normalize: bool | None = None
    aggregation: Aggregation = Aggregation.SIMPLE
    answers: Answers = Answers.AUTO


def export(folder: Path, out: Path, settings: Settings, *, force: bool = False) -> Bundle:
    """Writes the bundle of a model folder to `out`; raises ExportError and leaves nothing half."""
    refuse_existing(out, force)
    if not settings.variants:
        raise ExportError("A bundle has at least one variant: none was given. Add --variant int8.")
    if settings.variants[0] is Variant.INT8_FAST:
        raise ExportError(
            "The first variant is the default one, whose answers do not depend on the batch: "
            f"{Variant.INT8_FAST} cannot promise that. Put another --variant before it."
        )
    content, special = tokenizer.read_tokenizer(folder)
    model = _read(folder, settings, content)
    told = _languages(folder, model, settings)
    position = ""
    if told[0]:
        first, *_ = told[0].values()
        content, position = with_language(content, first, model.rules.end_id)
    draft_folder = out.with_name(f".{out.name}.draft")
    shutil.rmtree(draft_folder, ignore_errors=True)
    draft_folder.mkdir(parents=True)
    try:
        (draft_folder / TOKENIZER).write_text(to_json(content), encoding="utf-8")
        target = tokenizer.read_target_tokenizer(folder)
        if target:
            (draft_folder / TARGET_TOKENIZER).write_text(to_json(target), encoding="utf-8")
        options = _options(model, settings)
        manifest = _manifest(folder, model, settings, special)
        if target:
            manifest["tokenizer"]["target_file"] = TARGET_TOKENIZER
        if told[0]:
            tokens = {"position": position, "ids": told[0]}
            manifest["tokenizer"]["source_language_tokens"] = tokens
        if told[1]:
            manifest["decoding"]["target_language_tokens"] = told[1]
        if model.shortlist:
            shutil.copyfile(model.shortlist, draft_folder / SHORTLIST)
        # The fp32 graph answers the golden texts where transformers cannot.
        use_graph = settings.answers is Answers.GRAPH or (
            settings.answers is Answers.AUTO and not (model.has_reference and reference.available())
        )
        needs_fp32 = use_graph or settings.evaluate
        extra = [Variant.FP32] if needs_fp32 and Variant.FP32 not in settings.variants else []
        draft = Bundle(draft_folder, manifest)
        texts = golden.texts(settings.golden_texts, model.task, draft.max_tokens)
        sets = [read_data(option, draft) for option in settings.evaluate]
        calibration = _Calibration(draft, settings, texts)
        variants = [*settings.variants, *extra]
        values = _write_graphs(draft_folder, model, options, variants, manifest, calibration)
        manifest["inputs"], manifest["outputs"] = values
        by = golden.write(draft, folder, texts, "fp32" if use_graph else None, model.pooling)
        for variant in tqdm(settings.variants, desc="golden texts", unit="variant"):
            apart, equal = golden.differences(draft, variant)
            manifest["variants"][variant]["tolerance"] = tolerance(
                variant, apart, equal, len(texts)
            )
        if Variant.INT8_FAST in settings.variants:
            _measure_influence(draft, calibration)
        _evaluate(draft, settings.variants, sets)
        for variant in extra:
            (draft_folder / manifest["variants"].pop(variant)["file"]).unlink()
        (draft_folder / CARD).write_text(
            card.write(manifest, _made(model, settings, by)), encoding="utf-8"
        )
        write_manifest(draft_folder, manifest)
        Bundle.read(draft_folder)
        schema.check(Bundle.read(draft_folder).manifest)
        replace_folder(draft_folder, out)
    finally:
        shutil.rmtree(draft_folder, ignore_errors=True)
    return Bundle.read(out)


def _read(folder: Path, settings: Settings, content: dict[str, Any]) -> Model:
    """The model, for the task that was asked for."""
    if not settings.labels:
        if settings.task is Task.TEXT_CLASSIFICATION and not has_heads(folder):
            raise ExportError(
                "A model without a head classifies by labels that follow a text: none was given. "
                "Add --labels positive,negative and a --template."
            )
        return read_model(folder, settings.pooling, settings.normalize, settings.task)
    if settings.task is not Task.TEXT_CLASSIFICATION or len(settings.labels) < 2:
        raise ExportError(
            "--labels are two or more, for --task text-classification by a model without a head: "
            f"the task is {settings.task}, the labels are {', '.join(settings.labels)}. "
            "Mend or leave them out."
        )
    words = tokenizer.load(content)
    template = settings.template or TEXT
    ids = {label: tokenizer.label_ids(words, label, template) for label in settings.labels}
    return read_labels(folder, ids)


def _languages(
    folder: Path, model: Model, settings: Settings
) -> tuple[dict[str, int], dict[str, int]]:
    """Ids of the tokens that tell a model the languages it reads, and those it writes."""
    found = []
    for named, given, option in (
        (model.names_source_language, settings.languages, "--language"),
        (model.names_target_language, settings.target_languages, "--target-language"),
    ):
        if named and not given:
            raise ExportError(
                f"A model of the family {model.family} is told its languages: none was given. "
                f"Add {option}, repeatable; the first is the default."
            )
        chosen = [Language.parse(one) for one in given] if named else []
        found.append(token_ids(chosen, tokenizer.control_tokens(folder)) if chosen else {})
    return found[0], found[1]


def _options(model: Model, settings: Settings) -> Options:
    """What was asked for, and what the model's own settings need."""
    if model.defaults:
        chosen = settings.options | model.defaults.options
        if model.names_target_language:
            chosen |= {Option.FORCED_BOS_TOKEN_ID}
        return Options(chosen, settings.alignment_layer)
    if settings.options:
        raise ExportError(
            f"--with is for models that generate: the task is {model.task}. Leave it out."
        )
    return Options()


class _Calibration:
    """What the ranges of a model's values are measured on: data, or else the golden texts."""

    def __init__(self, draft: Bundle, settings: Settings, texts: list[golden.Text]) -> None:
        self._draft = draft
        self._settings = settings
        self._golden = texts

    @cached_property
    def data(self) -> list[Encoding | Cut]:
        """CALIBRATION_TEXTS of the data sets, evenly spread over each, and none held out."""
        settings, found = self._settings, []
        kept_away = set()
        if settings.held_out:
            lines = read_lines(settings.held_out)
            kept_away = {sentence_key(line.split("\t")[0]) for line in lines}
        for option in settings.calibrate:
            texts = [
                text
                for text in read_data(option, self._draft).inputs(self._draft)
                if text[0].strip() and sentence_key(text[0]) not in kept_away
            ]
            share = CALIBRATION_TEXTS // len(settings.calibrate)
            found += texts[:: max(1, len(texts) // share)][:share]
        return [self._draft.encode(*text) for text in found]

    def ranges(self, model: Model) -> dict[str, Range]:
        if model.ranges and not self.data:
            return dict(model.ranges)
        return calibrate(model, **self._rows())

    def largest_half(self, model: Model) -> tuple[float, int]:
        """The largest value that float16 has to hold, and the number of texts."""
        rows = self._rows()
        return largest_half(model, **rows), len(rows["rows"])

    def _rows(self) -> dict[str, Any]:
        seen = self.data or [self._draft.encode(*text) for text in self._golden]
        return {
            "rows": [e.ids for e in seen],
            "version": VERSION,
            "types": [e.type_ids for e in seen],
            "language_id": self._draft.target_language_id(),
        }


def _measure_influence(draft: Bundle, calibration: _Calibration) -> None:
    """Writes into the manifest how often neighbours change an answer of int8-fast."""
    runner = Runner(draft, Variant.INT8_FAST)
    seen = influence(runner, [*golden.inputs(draft), *calibration.data])
    sizes = ", ".join(map(str, BATCHES))
    name = f"share of {seen.texts} texts whose answer changed in batches of {sizes}"
    evaluation = draft.manifest["variants"][Variant.INT8_FAST].setdefault("evaluation", {})
    evaluation[name] = round(seen.share, 4)


def _evaluate(draft: Bundle, variants: Sequence[Variant], sets: Sequence[DataSet]) -> None:
    """Writes each variant's figures into the manifest, and how far they are from fp32's."""
    for data in sets:
        exact = evaluate.evaluate(draft, data, Variant.FP32)
        for variant in variants:
            result = exact
            if variant is not Variant.FP32:
                result = evaluate.evaluate(draft, data, variant)
            evaluate.record(draft.manifest, result)
            if variant is not Variant.FP32:
                evaluate.record(draft.manifest, evaluate.loss(result, exact))


def _made(model: Model, settings: Settings, golden_by: str) -> str:
    lines = []
    if model.pooling:
        pooled = {
            PoolingMode.MEAN: "the mean of the last layer's tokens",
            PoolingMode.CLS: "the first token of the last layer",
        }[model.pooling.mode]
        length = "scaled to length 1" if model.pooling.normalize else "not normalized"
        lines += [f"An embedding is {pooled}, {length}.", ""]
    if settings.command:
        lines += [f"    {settings.command}", ""]
    if Variant.INT8 in settings.variants and model.ranges and not settings.calibrate:
        lines += ["The scales of int8 are those that the model was trained with.", ""]
    elif Variant.INT8 in settings.variants:
        names = [dataset_name(option) for option in settings.calibrate] or ["the golden texts"]
        lines += [f"The scales of int8 were calibrated on {' and '.join(names)}.", ""]
    lines.append(f"The answers in `golden.jsonl` are from {golden_by}.")
    if settings.limitations:
        lines += ["", "## Limitations", "", settings.limitations]
    return "\n".join(lines)


def tolerance(variant: Variant, apart: float, equal: float, texts: int) -> dict[str, float]:
    """What a replay accepts: what was seen here, with room for another processor's rounding.

    In int8 a rounding may move an activation by a whole step, and a GPU sums float16 in another
    order than the CPU here.
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
    if model.task is Task.TEXT_GENERATION:
        # Prompt and continuation share the positions.
        longest = min(longest, model.max_positions - _longest_output(model, settings))
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
        "languages": [Language.parse(one).tag for one in settings.languages],
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
        manifest["target_languages"] = [
            Language.parse(one).tag for one in settings.target_languages
        ]
        manifest["decoding"] = _decoding(model, settings, _options(model, settings))
    template = settings.template or f"{model.defaults.prefix if model.defaults else ''}{TEXT}"
    if template.count(TEXT) != 1:
        raise ExportError(
            f"A template has {TEXT} once, where the text goes: --template is {template!r}. Mend it."
        )
    if template != TEXT:
        manifest["template"] = template
    if model.labels:
        manifest["labels"] = list(model.labels)
    if model.problem_type not in ("", DEFAULT_PROBLEM):
        manifest["problem_type"] = model.problem_type
    if model.task is Task.TOKEN_CLASSIFICATION:
        manifest["aggregation"] = str(settings.aggregation)
    return manifest


def _decoding(model: Model, settings: Settings, options: Options) -> dict[str, Any]:
    defaults, rules = model.defaults, model.rules
    assert defaults and rules
    most = _longest_output(model, settings)
    penalty = settings.length_penalty
    decoding = {
        "num_beams": settings.num_beams or defaults.num_beams,
        "length_penalty": defaults.length_penalty if penalty is None else penalty,
        "max_length_factor": settings.max_length_factor,
        "max_length_offset": settings.max_length_offset,
        "max_new_tokens": most,
        "min_new_tokens": defaults.min_new_tokens,
        "eos_token_id": rules.end_id,
        **({"shortlist_file": SHORTLIST} if model.shortlist else {}),
    }
    if Option.REPETITION_PENALTY in options:
        decoding["repetition_penalty"] = defaults.repetition_penalty
    if Option.NO_REPEAT_NGRAM_SIZE in options:
        decoding["no_repeat_ngram_size"] = defaults.no_repeat_ngram_size
    if Option.SAMPLING in options:
        decoding["temperature"] = defaults.temperature
        decoding["top_k"] = defaults.top_k
        decoding["top_p"] = defaults.top_p
    return decoding


def _longest_output(model: Model, settings: Settings) -> int:
    """Tokens that a row may generate: those asked for, or the model's within its positions."""
    read = 0
    if model.task is Task.TEXT_GENERATION:
        # What is generated stands behind the prompt.
        read = settings.max_tokens or (1 if settings.max_new_tokens else model.max_positions // 2)
    room = model.max_positions - read
    most = settings.max_new_tokens or min(model.defaults.max_new_tokens, room)
    if not 1 <= most <= room:
        raise ExportError(
            f"A text is generated within the model's {model.max_positions} positions, its prompt "
            f"included: --max-new-tokens is {most}, --max-tokens {read or settings.max_tokens}. "
            "Lower one."
        )
    return most


def _write_graphs(
    folder: Path,
    model: Model,
    options: Options,
    variants: Sequence[Variant],
    manifest: dict[str, Any],
    calibration: _Calibration,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Writes each variant's graph; returns the inputs and outputs, which all variants share."""
    values: tuple[list[dict[str, Any]], list[dict[str, Any]]] = ([], [])
    for variant in tqdm(variants, desc="graphs", unit="variant"):
        evaluation = {}
        if variant is Variant.FP16:
            largest, texts = calibration.largest_half(model)
            name = f"largest value of {texts} texts, where float16 holds {half.LARGEST:g}"
            evaluation = {"evaluation": {name: round(largest, 1)}}
        scheme = _scheme(variant, model, calibration)
        graph = model.build(scheme, options) if model.task.generates else model.build(scheme)
        content = graph.model(VERSION)
        if isinstance(scheme, half.Half):
            content = half.converted(content, scheme)
        file = f"model.{variant}.onnx"
        (folder / file).write_bytes(content.SerializeToString(deterministic=True))
        manifest["variants"][str(variant)] = {
            "file": file,
            "description": _description(scheme, model),
            "tolerance": {"score": 1.0, "equal_share": 0.0},
            **evaluation,
        }
        values = ([_value(v) for v in graph.inputs], [_value(v) for v in graph.outputs])
    return values


def _scheme(variant: Variant, model: Model, calibration: _Calibration) -> Scheme:
    if variant is Variant.INT8:
        return Static(calibration.ranges(model))
    return {Variant.FP32: Scheme, Variant.FP16: half.Half, Variant.INT8_FAST: Dynamic}[variant]()


def _description(scheme: Scheme, model: Model) -> str:
    if not (isinstance(scheme, Quantized) and scheme.keeps_sensitive and model.sensitive):
        return scheme.description
    return f"{scheme.description}; {model.sensitive} in float32 too"


def _value(value: Value) -> dict[str, Any]:
    return {"name": value.name, "type": TYPES[value.type], "shape": list(value.shape)}
