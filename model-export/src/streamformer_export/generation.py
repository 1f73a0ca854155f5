"""Reads how a model generates: generation_config.json, or config.json where it is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamformer_export.config import Config, read_json
from streamformer_export.errors import ExportError
from streamformer_export.graph.options import Option
from streamformer_export.graph.search_state import Rules

GENERATION = "generation_config.json"

# Settings that change what is generated and that the graph does not have, with their neutral
# values.
NEUTRAL: dict[str, tuple[Any, ...]] = {
    "begin_suppress_tokens": (None,),
    "constraints": (None,),
    "diversity_penalty": (None, 0.0),
    "encoder_no_repeat_ngram_size": (None, 0),
    "encoder_repetition_penalty": (None, 1.0),
    "exponential_decay_length_penalty": (None,),
    "force_words_ids": (None,),
    "guidance_scale": (None, 1.0),
    "low_memory": (None, False),
    "num_beam_groups": (1, None),
    "penalty_alpha": (None, 0.0),
    "remove_invalid_values": (None, False),
    "sequence_bias": (None,),
    "stop_strings": (None,),
    "watermarking_config": (None,),
}

# Settings that only samplers read and that the graph does not have, with their neutral values.
SAMPLING_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "epsilon_cutoff": (None, 0.0),
    "eta_cutoff": (None, 0.0),
    "min_p": (None, 0.0),
    "top_h": (None,),
    "typical_p": (None, 1.0),
}
# What transformers takes where a model samples and does not say.
TOP_K = 50

# What a config.json without generation_config.json may say.
KEYS = (
    *NEUTRAL,
    *SAMPLING_NEUTRAL,
    "bad_words_ids",
    "decoder_start_token_id",
    "do_sample",
    "early_stopping",
    "eos_token_id",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "length_penalty",
    "max_length",
    "max_new_tokens",
    "min_length",
    "min_new_tokens",
    "no_repeat_ngram_size",
    "num_beams",
    "pad_token_id",
    "renormalize_logits",
    "repetition_penalty",
    "suppress_tokens",
    "temperature",
    "top_k",
    "top_p",
)


@dataclass(frozen=True)
class Defaults:
    """What a caller may set for each run, as the model's folder has it."""

    num_beams: int
    length_penalty: float
    min_new_tokens: int
    max_new_tokens: int
    repetition_penalty: float = 1.0
    no_repeat_ngram_size: int = 0
    # What stands in front of every text.
    prefix: str = ""
    # 0 searches.
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0

    @property
    def options(self) -> frozenset[Option]:
        """The options without which the graph could not do what the folder asks for."""
        needed = {
            Option.REPETITION_PENALTY: self.repetition_penalty != 1.0,
            Option.NO_REPEAT_NGRAM_SIZE: self.no_repeat_ngram_size > 0,
            Option.SAMPLING: self.temperature > 0,
        }
        return frozenset(option for option, asked in needed.items() if asked)


def task_params(
    params: Mapping[str, dict[str, Any]] | None, task: str, direction: str | None
) -> dict[str, Any]:
    """What task_specific_params has for a task, such as `translation_en_to_de` where its names tell
    languages: `direction` is en_to_de, or None where nobody asks. Raises ExportError where such
    settings are for other languages.
    """
    found = dict(params or {})
    if task in found or direction is None:
        return dict(found.get(task) or {})
    known = [name for name in found if name.startswith(f"{task}_")]
    wanted = f"{task}_{direction}"
    if known and wanted not in known:
        raise ExportError(
            f"config.json has settings for {', '.join(known)}: {wanted!r} is none of them. Give "
            "--language and --target-language of one, such as en and de, or a --template of your "
            "own."
        )
    return dict(found.get(wanted) or {})


def read_generation(
    folder: Path,
    config: Config,
    vocabulary_size: int,
    task: str,
    *,
    prompted: bool = False,
    direction: str | None = None,
) -> tuple[Rules, Defaults]:
    """The fixed rules of a generating model, and the defaults of the rest.

    What config.json has for the task in task_specific_params goes before the general settings, as
    in transformers' pipelines; `direction` as in `task_params`. A `prompted` model has no encoder
    and goes on with what it read. Raises ExportError for a setting that the graph does not have.
    """
    path = folder / GENERATION
    values = {key: config.take(key, None) for key in KEYS}
    found = read_json(path) if path.is_file() else values
    for_task = task_params(config.take("task_specific_params", None), task, direction)
    prefix = for_task.pop("prefix", None) or config.take("prefix", None) or ""
    source = config.beside(
        {k: v for k, v in (found | for_task).items() if v is not None},
        path.name if path.is_file() else "config.json",
        path.name,
    )
    for key, neutral in NEUTRAL.items():
        source.require(key, *neutral)

    end = _one(source, "eos_token_id")
    if end is None:
        raise ExportError(
            f"A generating model has an eos_token_id: {folder} has none. "
            "Add it to generation_config.json."
        )
    padding = source.take("pad_token_id", None)
    start = source.take("decoder_start_token_id", None)
    if start is None:
        start = values["decoder_start_token_id"]
    if prompted:
        # A minimum would count the prompt, and the first token stands behind it.
        source.require("min_length", 0, None)
        source.require("forced_bos_token_id", None)
        start, padding = end, end if padding is None else padding
    if padding == end:
        # What is behind the end is told from the end itself by an id that no token has.
        padding = vocabulary_size
    if start is None or padding is None:
        raise ExportError(
            "An encoder-decoder has a decoder_start_token_id and a pad_token_id: "
            f"{folder} has {start!r} and {padding!r}. Add them to generation_config.json."
        )
    banned = set()
    for word in source.take("bad_words_ids", None) or ():
        if len(word) != 1:
            raise ExportError(
                f"Banned words are supported as single tokens: bad_words_ids has {word}. "
                "Remove it from generation_config.json."
            )
        banned.add(word[0])
    # transformers lets the end token pass as a word, but suppresses it as a token.
    banned.discard(end)
    banned.update(source.take("suppress_tokens", None) or ())
    forced_end = _one(source, "forced_eos_token_id")
    if forced_end not in (None, end):
        raise ExportError(
            f"The forced last token is the end token: forced_eos_token_id is {forced_end}, "
            f"eos_token_id is {end}. Change generation_config.json."
        )
    early_stopping = source.take("early_stopping", None) or False
    if early_stopping not in (False, True, "never"):
        raise ExportError(
            "early_stopping is one of False, True and 'never': "
            f"it is {early_stopping!r}. Change generation_config.json."
        )
    rules = Rules(
        vocabulary_size=vocabulary_size,
        start_id=start,
        end_id=end,
        padding_id=padding,
        banned_ids=tuple(sorted(banned)),
        forced_bos_id=source.take("forced_bos_token_id", None),
        early_stopping=early_stopping,
        force_end=forced_end is not None,
        renormalize=bool(source.take("renormalize_logits", False)),
    )
    most = source.take("max_new_tokens", None)
    # max_length and min_length count the start token; a prompt's tokens only the first does, so
    # that it is an upper bound there.
    longest = source.take("max_length", None)
    least = max(
        source.take("min_new_tokens", None) or 0, (source.take("min_length", None) or 0) - 1
    )
    defaults = Defaults(
        num_beams=source.take("num_beams", None) or 1,
        length_penalty=_or(source.take("length_penalty", None), 1.0),
        min_new_tokens=least,
        max_new_tokens=most or (longest - 1 if longest else 256),
        repetition_penalty=_or(source.take("repetition_penalty", None), 1.0),
        no_repeat_ngram_size=source.take("no_repeat_ngram_size", None) or 0,
        prefix=prefix,
        **_sampling(source),
    )
    source.refuse_rest()
    return rules, defaults


def input_padding(rules: Rules) -> int:
    """What pads a batch of texts; where a model has no padding its end token serves, since nothing
    sees it."""
    return rules.end_id if rules.padding_id == rules.vocabulary_size else rules.padding_id


def _sampling(source: Config) -> dict[str, float]:
    """The defaults of sampling; those of a model that searches do not matter."""
    values = {key: source.take(key, None) for key in ("temperature", "top_k", "top_p")}
    if not source.take("do_sample", None):
        source.ignore(SAMPLING_NEUTRAL)
        return {}
    for key, neutral in SAMPLING_NEUTRAL.items():
        source.require(key, *neutral)
    if source.take("num_beams", None) not in (None, 1):
        raise ExportError(
            "A model samples with one beam: generation_config.json has do_sample and num_beams. "
            "Remove one of them."
        )
    return {
        "temperature": _or(values["temperature"], 1.0),
        "top_k": _or(values["top_k"], TOP_K),
        "top_p": _or(values["top_p"], 1.0),
    }


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value


def _one(config: Config, key: str) -> int | None:
    value = config.take(key, None)
    if isinstance(value, list):
        if len(value) != 1:
            raise ExportError(
                f"{key} is supported as one token: it is {value}. Change generation_config.json."
            )
        return value[0]
    return value
