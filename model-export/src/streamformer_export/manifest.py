"""The manifest of a bundle, before its graphs and figures are there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from streamformer_export import tokenizer
from streamformer_export.bundle import FORMAT, GOLDEN, SHORTLIST, TEXT, TOKENIZER
from streamformer_export.errors import ExportError
from streamformer_export.families import Model, Task
from streamformer_export.families.pooling import default_prompt
from streamformer_export.graph.options import Option, Options
from streamformer_export.languages import Language
from streamformer_export.settings import Settings

VERSION = "0.1.0"

# What goes with a --max-length-factor.
LENGTH_OFFSET = 16
# What a manifest that is silent means.
DEFAULT_PROBLEM = "single_label_classification"


def draft_manifest(
    folder: Path, model: Model, settings: Settings, special: Sequence[int]
) -> dict[str, Any]:
    longest = tokenizer.longest_input(folder, model.max_positions)
    if model.task is Task.TEXT_GENERATION:
        longest = min(longest, _longest_prompt(model, settings))
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
    # CUDA has no kernels for the products of int8.
    gpu = next((one for one in ("fp16", "fp32") if one in map(str, settings.variants)), None)
    if gpu:
        manifest["default_gpu_variant"] = gpu
    if model.task.generates:
        manifest["target_languages"] = [
            Language.parse(one).tag for one in settings.target_languages
        ]
        options = decoding_options(model, settings)
        manifest["decoding"] = _decoding(model, settings, options, max_tokens)
    prefix = model.defaults.prefix if model.defaults else ""
    if model.task is Task.FEATURE_EXTRACTION:
        prefix = default_prompt(folder)
    template = settings.template or f"{prefix}{TEXT}"
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
    if model.task is Task.QUESTION_ANSWERING:
        manifest["align_to_words"] = settings.align_to_words
    return manifest


def _decoding(
    model: Model, settings: Settings, options: Options, max_tokens: int
) -> dict[str, Any]:
    defaults, rules = model.defaults, model.rules
    assert defaults and rules
    penalty = settings.length_penalty
    ends = list(rules.end_ids)
    decoding = {
        "num_beams": settings.num_beams or defaults.num_beams,
        "length_penalty": defaults.length_penalty if penalty is None else penalty,
        **_limits(model, settings, max_tokens),
        "eos_token_id": ends if len(ends) > 1 else ends[0],
        **({} if rules.forced_end_id is None else {"forced_eos_token_id": rules.forced_end_id}),
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


def _limits(model: Model, settings: Settings, max_tokens: int) -> dict[str, Any]:
    """The lengths of an answer, and which of the folder's settings others took the place of."""
    defaults = model.defaults
    most = _longest_output(model, settings, max_tokens)
    limits: dict[str, Any] = {
        "max_new_tokens": most,
        "min_new_tokens": defaults.min_new_tokens,
    }
    if settings.max_length_factor is not None:
        if model.task is not Task.TRANSLATION:
            raise ExportError(
                "--max-length-factor is for translations, whose length follows their input's: the "
                f"task is {model.task}. Leave it out, or give --max-new-tokens."
            )
        limits["max_length_factor"] = settings.max_length_factor
        offset = settings.max_length_offset
        limits["max_length_offset"] = LENGTH_OFFSET if offset is None else offset
    elif settings.max_length_offset is not None:
        raise ExportError(
            f"--max-length-offset is {settings.max_length_offset}, but there is no "
            "--max-length-factor that it goes with. Give both or neither."
        )
    if model.task is Task.TEXT_GENERATION:
        total = _longest_total(model, settings)
        if max_tokens + most > total:
            limits["max_total_tokens"] = total
        if defaults.min_total_tokens is not None:
            limits["min_total_tokens"] = defaults.min_total_tokens
    bounded = (
        most < defaults.max_new_tokens
        or (defaults.max_total_tokens or 0) > model.max_positions
        or ("max_total_tokens" in limits and defaults.max_total_tokens is None)
    )
    chosen = {
        "num_beams": settings.num_beams is not None,
        "length_penalty": settings.length_penalty is not None,
        # By its positions too.
        "max_new_tokens": settings.max_new_tokens is not None or bounded,
    }
    return limits | {"chosen": [name for name, is_chosen in chosen.items() if is_chosen]}


def _longest_total(model: Model, settings: Settings) -> int:
    """The most tokens of a prompt and its answer together."""
    most = None if settings.max_new_tokens else model.defaults.max_total_tokens
    return min(most or model.max_positions, model.max_positions)


def _longest_prompt(model: Model, settings: Settings) -> int:
    """The longest prompt that leaves room for an answer: one token where prompt and answer have a
    limit together, else all that the folder or the exporter allows, up to half of the positions."""
    total = _longest_total(model, settings)
    if settings.max_new_tokens:
        return total - _longest_output(model, settings, 1)
    if model.defaults.max_total_tokens is not None:
        return total - 1
    return total - min(model.defaults.max_new_tokens, total // 2)


def _longest_output(model: Model, settings: Settings, max_tokens: int) -> int:
    """The most tokens that a row may generate."""
    room = model.max_output or model.max_positions
    if model.task is Task.TEXT_GENERATION:
        # An answer is behind its prompt.
        room = _longest_total(model, settings) - (max_tokens if settings.max_new_tokens else 1)
        if max_tokens > room and not settings.max_new_tokens:
            raise ExportError(
                f"Prompt and answer together have at most {room + 1} tokens: --max-tokens is "
                f"{max_tokens}. Lower it, or give --max-new-tokens."
            )
    most = settings.max_new_tokens or min(model.defaults.max_new_tokens, room)
    if not 1 <= most <= room:
        raise ExportError(
            f"A text is generated within the model's {model.max_positions} positions, its prompt "
            f"included: --max-new-tokens is {most}, --max-tokens {settings.max_tokens}. Lower one."
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
