"""Export: a model folder becomes a bundle."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from onnx import TensorProto
from tqdm import tqdm

from streamformer_export import card, distance, evaluate, golden, half, reference, schema, tokenizer
from streamformer_export.bundle import (
    CARD,
    SHORTLIST,
    TARGET_TOKENIZER,
    TEXT,
    TOKENIZER,
    Bundle,
    Runner,
    bundle_name,
    refuse_existing,
    replace_folder,
    to_json,
    write_manifest,
)
from streamformer_export.calibrate import calibrate, largest_half
from streamformer_export.datasets import DataSet, dataset_name, read_data, require_files
from streamformer_export.errors import ExportError
from streamformer_export.families import Model, Task, has_heads, read_model
from streamformer_export.families.gpt2 import read_labels
from streamformer_export.graph.builder import Value
from streamformer_export.graph.heads import PoolingMode
from streamformer_export.graph.model import data_file
from streamformer_export.graph.options import Options
from streamformer_export.languages import (
    Language,
    prefix_token,
    token_ids,
    with_language,
    with_prefix,
)
from streamformer_export.manifest import VERSION, decoding_options, draft_manifest
from streamformer_export.neighbours import BATCHES, influence
from streamformer_export.quantize import Dynamic, Quantized, Range, Scheme, Static
from streamformer_export.rows import Row
from streamformer_export.settings import Answers, Settings, Variant
from streamformer_export.tokenizer_inputs import read_inputs
from streamformer_export.training.data import read_lines, require_file, sentence_key
from streamformer_export.weights import reading_is_shown

# More did not change the ranges that were chosen.
CALIBRATION_TEXTS = 400

TYPES = {
    TensorProto.FLOAT: "float32",
    TensorProto.INT32: "int32",
    TensorProto.INT64: "int64",
}


def export(folder: Path, out: Path, settings: Settings, *, force: bool = False) -> Bundle:
    """Writes the bundle of a model folder to `out`; raises ExportError and leaves nothing half."""
    refuse_existing(out, force)
    bundle_name(settings.name, out)
    if not settings.version:
        raise ExportError("--version is empty. Give one, such as 1.0.0.")
    if not settings.variants:
        raise ExportError("A bundle has at least one variant: none was given. Add --variant int8.")
    if settings.variants[0] is Variant.INT8_FAST:
        raise ExportError(
            "The first variant is the default one, whose answers do not depend on the batch: "
            f"{Variant.INT8_FAST} cannot promise that. Put another --variant before it."
        )
    for option in (*settings.calibrate, *settings.evaluate):
        require_files(option)
    for file in (settings.held_out, settings.golden_texts):
        if file:
            require_file(file)
    source = tokenizer.read_source(folder, settings.tokenizer)
    content, special = tokenizer.bundled(folder, source)
    model = _read(folder, settings, content)
    told = _languages(source.control_tokens, model, settings)
    position = ""
    if told[0]:
        first, *_ = told[0].values()
        content, position = with_language(content, first, model.rules.end_id)
    if model.family == "marian":
        target = prefix_token(source.control_tokens, settings.target_languages)
        content = with_prefix(content, *target) if target else content
    draft_folder = out.with_name(f".{out.name}.draft")
    shutil.rmtree(draft_folder, ignore_errors=True)
    draft_folder.mkdir(parents=True)
    try:
        (draft_folder / TOKENIZER).write_text(to_json(content), encoding="utf-8")
        decoder = tokenizer.read_target_tokenizer(folder)
        if decoder:
            (draft_folder / TARGET_TOKENIZER).write_text(to_json(decoder), encoding="utf-8")
        options = decoding_options(model, settings)
        manifest = draft_manifest(folder, model, settings, special)
        if decoder:
            manifest["tokenizer"]["target_file"] = TARGET_TOKENIZER
        if source.origin:
            manifest["tokenizer"]["origin"] = str(source.origin)
        manifest["tokenizer"] |= read_inputs(folder)
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
        answerer = "fp32" if use_graph else None
        expected = golden.write(draft, folder, texts, answerer, model.pooling)
        written = golden.Golden.read(draft)
        for variant in tqdm(settings.variants, desc="golden texts", unit="variant"):
            given = written.replay(Runner(draft, variant))
            far = distance.check(draft, model, variant, expected, given, settings.distance)
            if variant is not Variant.FP32:
                _record_distance(draft, variant, far, settings.distance)
            apart, equal = written.differences(given)
            manifest["variants"][variant]["tolerance"] = tolerance(
                variant, apart, equal, len(texts)
            )
        if Variant.INT8_FAST in settings.variants:
            _measure_influence(written, calibration)
        _evaluate(draft, settings.variants, sets)
        for variant in extra:
            graph = draft_folder / manifest["variants"].pop(variant)["file"]
            graph.unlink()
            data_file(graph).unlink(missing_ok=True)
        (draft_folder / CARD).write_text(
            card.write(manifest, _made(model, settings, expected.by)), encoding="utf-8"
        )
        write_manifest(draft_folder, manifest)
        bundle = Bundle.read(draft_folder)
        schema.check(bundle.manifest)
        replace_folder(draft_folder, out)
    finally:
        shutil.rmtree(draft_folder, ignore_errors=True)
    return replace(bundle, folder=out)


def _read(folder: Path, settings: Settings, content: dict[str, Any]) -> Model:
    """The model, for the task that was asked for."""
    if not settings.labels:
        if settings.task is Task.TEXT_CLASSIFICATION and not has_heads(folder):
            raise ExportError(
                "A model without a head classifies by labels that follow a text: none was given. "
                "Add --labels positive,negative and a --template."
            )
        direction = _direction(settings)
        return read_model(
            folder,
            settings.pooling,
            settings.normalize,
            settings.task,
            direction,
            settings.ignore_keys,
        )
    if settings.task is not Task.TEXT_CLASSIFICATION or len(settings.labels) < 2:
        raise ExportError(
            "--labels are two or more, for --task text-classification by a model without a head: "
            f"the task is {settings.task}, the labels are {', '.join(settings.labels)}. "
            "Mend or leave them out."
        )
    if len(set(settings.labels)) < len(settings.labels):
        raise ExportError(
            f"--labels has a label twice: {', '.join(settings.labels)}. Rename one of them."
        )
    words = tokenizer.load(content)
    template = settings.template or TEXT
    ids = {label: tokenizer.label_ids(words, label, template) for label in settings.labels}
    return read_labels(folder, ids, settings.ignore_keys)


def _direction(settings: Settings) -> str | None:
    """The languages of a translation, en_to_de, where their own settings are asked for."""
    if settings.task is not Task.TRANSLATION or settings.template:
        return None
    tags = [
        Language.parse(given[0]).tag if given else "?"
        for given in (settings.languages, settings.target_languages)
    ]
    return "_to_".join(tags)


def _languages(
    control_tokens: dict[str, int], model: Model, settings: Settings
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
        found.append(token_ids(chosen, control_tokens) if chosen else {})
    return found[0], found[1]


class _Calibration:
    """What the ranges of a model's values are measured on: data, or else the golden texts."""

    def __init__(self, draft: Bundle, settings: Settings, texts: list[golden.Text]) -> None:
        self._draft = draft
        self._settings = settings
        self._golden = texts

    @cached_property
    def data(self) -> list[Row]:
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
        return [row for text in found for row in self._draft.readings(*text)]

    def ranges(self, model: Model) -> dict[str, Range]:
        if model.ranges and not self.data:
            return dict(model.ranges)
        return calibrate(model, **self._rows())

    def largest_half(self, model: Model) -> tuple[float, int]:
        """The largest value that float16 has to hold, and the number of texts."""
        rows = self._rows()
        return largest_half(model, **rows), len(rows["rows"])

    def _rows(self) -> dict[str, Any]:
        seen = self.data or [row for text in self._golden for row in self._draft.readings(*text)]
        return {
            "rows": [e.ids for e in seen],
            "version": VERSION,
            "types": [e.type_ids for e in seen],
            "language_id": self._draft.target_language_id(),
        }


def _record_distance(draft: Bundle, variant: Variant, found: float, bound: float | None) -> None:
    """Writes into the manifest how far a variant is from the reference."""
    unit = "log-probability per token" if draft.generates else "share of the outputs' spread"
    most = f"--distance {bound:g}" if bound is not None else f"{distance.BOUNDS[variant]:g}"
    name = f"distance from the reference on the golden texts, {unit} (at most {most})"
    evaluation = draft.manifest["variants"][variant].setdefault("evaluation", {})
    evaluation[name] = float(f"{found:.3g}")


def _measure_influence(texts: golden.Golden, calibration: _Calibration) -> None:
    """Writes into the manifest how often neighbours change an answer of int8-fast."""
    draft = texts.bundle
    seen = influence(Runner(draft, Variant.INT8_FAST), [*texts.rows, *calibration.data])
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
    if model.defaults and not model.defaults.sets_limit and not settings.max_new_tokens:
        lines += [
            "The model folder sets no limit: the longest output is transformers' default. "
            "`--max-new-tokens` sets another.",
            "",
        ]
    lines.append(f"The answers in `golden.jsonl` are from {golden_by}.")
    if "transformers" not in golden_by and model.has_reference:
        lines.append(
            "So fp32 was compared with itself only: `verify --against` compares it with "
            "transformers."
        )
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
        with reading_is_shown(f"building {variant}"):
            graph = model.build(scheme, options) if model.task.generates else model.build(scheme)
        content = graph.model(VERSION)
        values = ([_value(v) for v in graph.inputs], [_value(v) for v in graph.outputs])
        # Each weight is let go when it is written.
        del graph
        if isinstance(scheme, half.Half):
            content = half.converted(content, scheme)
        file = f"model.{variant}.onnx"
        content.write(folder / file)
        manifest["variants"][str(variant)] = {
            "file": file,
            "description": _description(scheme, model),
            "tolerance": {"score": 1.0, "equal_share": 0.0},
            **evaluation,
        }
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
