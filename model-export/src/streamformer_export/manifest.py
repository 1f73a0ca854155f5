"""The manifest of a bundle, before its graphs and figures are there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from streamformer_export import tokenizer
from streamformer_export.bundle import FORMAT, GOLDEN, SHORTLIST, TEXT, TOKENIZER
from streamformer_export.errors import ExportError
from streamformer_export.families import Model, Task
from streamformer_export.graph.options import Option, Options
from streamformer_export.languages import Language
from streamformer_export.settings import Settings

VERSION = "0.1.0"

# What a manifest that is silent means.
DEFAULT_PROBLEM = "single_label_classification"


def draft_manifest(
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
        manifest["decoding"] = _decoding(model, settings, decoding_options(model, settings))
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
    if settings.ignore_keys:
        manifest["ignored_keys"] = sorted(set(settings.ignore_keys))
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


def decoding_options(model: Model, settings: Settings) -> Options:
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
