"""Reads how a model generates: generation_config.json, or config.json where it is missing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamformer_export.errors import ExportError
from streamformer_export.graph.decode import Rules
from streamformer_export.weights import Config, read_json

# Settings that change what is generated and that the graph does not have, with their neutral
# values.
NEUTRAL: dict[str, tuple[Any, ...]] = {
    "begin_suppress_tokens": (None,),
    "constraints": (None,),
    "diversity_penalty": (None, 0.0),
    "do_sample": (False, None),
    "early_stopping": (False, None),
    "encoder_no_repeat_ngram_size": (None, 0),
    "encoder_repetition_penalty": (None, 1.0),
    "exponential_decay_length_penalty": (None,),
    "force_words_ids": (None,),
    "forced_bos_token_id": (None,),
    "guidance_scale": (None, 1.0),
    "low_memory": (None, False),
    "min_length": (0, None),
    "no_repeat_ngram_size": (None, 0),
    "num_beam_groups": (1, None),
    "penalty_alpha": (None, 0.0),
    "remove_invalid_values": (None, False),
    "repetition_penalty": (None, 1.0),
    "sequence_bias": (None,),
    "stop_strings": (None,),
    "watermarking_config": (None,),
}

# Settings of sampling and of what `generate` returns.
IGNORED = (
    "_from_model_config",
    "bos_token_id",
    "cache_implementation",
    "epsilon_cutoff",
    "eta_cutoff",
    "max_time",
    "min_p",
    "num_return_sequences",
    "output_attentions",
    "output_hidden_states",
    "output_logits",
    "output_scores",
    "return_dict_in_generate",
    "temperature",
    "top_h",
    "top_k",
    "top_p",
    "transformers_version",
    "typical_p",
    "use_cache",
)

# What a config.json without generation_config.json may say.
KEYS = (
    *NEUTRAL,
    "bad_words_ids",
    "decoder_start_token_id",
    "eos_token_id",
    "forced_eos_token_id",
    "length_penalty",
    "max_length",
    "max_new_tokens",
    "min_new_tokens",
    "num_beams",
    "pad_token_id",
    "renormalize_logits",
    "suppress_tokens",
)


@dataclass(frozen=True)
class Defaults:
    """What a caller may set for each run, as the model's folder has it."""

    num_beams: int
    length_penalty: float
    min_new_tokens: int
    max_new_tokens: int


def read_generation(folder: Path, config: Config, vocabulary_size: int) -> tuple[Rules, Defaults]:
    """The fixed rules of a generating model, and the defaults of the rest.

    Raises ExportError for a setting that the graph does not have.
    """
    path = folder / "generation_config.json"
    values = {key: config.take(key, None) for key in KEYS}
    source = Config(
        read_json(path) if path.is_file() else {k: v for k, v in values.items() if v is not None},
        path.name if path.is_file() else "config.json",
    )
    for key, neutral in NEUTRAL.items():
        source.require(key, *neutral)
    source.ignore(IGNORED)

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
    if start is None or padding is None:
        raise ExportError(
            "An encoder-decoder has a decoder_start_token_id and a pad_token_id: "
            f"{folder} has {start!r} and {padding!r}. Add them to generation_config.json."
        )
    banned = set(source.take("suppress_tokens", None) or ())
    for word in source.take("bad_words_ids", None) or ():
        if len(word) != 1:
            raise ExportError(
                f"Banned words are supported as single tokens: bad_words_ids has {word}. "
                "Remove it from generation_config.json."
            )
        banned.add(word[0])
    # transformers lets the end token pass.
    banned.discard(end)
    forced_end = _one(source, "forced_eos_token_id")
    if forced_end not in (None, end):
        raise ExportError(
            f"The forced last token is the end token: forced_eos_token_id is {forced_end}, "
            f"eos_token_id is {end}. Change generation_config.json."
        )
    rules = Rules(
        vocabulary_size=vocabulary_size,
        start_id=start,
        end_id=end,
        padding_id=padding,
        banned_ids=tuple(sorted(banned)),
        force_end=forced_end is not None,
        renormalize=bool(source.take("renormalize_logits", False)),
    )
    most = source.take("max_new_tokens", None)
    # max_length counts the start token.
    longest = source.take("max_length", None)
    defaults = Defaults(
        num_beams=source.take("num_beams", None) or 1,
        length_penalty=_or(source.take("length_penalty", None), 1.0),
        min_new_tokens=source.take("min_new_tokens", None) or 0,
        max_new_tokens=most or (longest - 1 if longest else 256),
    )
    source.refuse_rest()
    return rules, defaults


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
