"""Reads how a model generates: generation_config.json, or config.json where it is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
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

# New tokens where a folder has no limit, as in transformers.
NEW_TOKENS = 20

# What a config.json without generation_config.json may say.
KEYS = (
    *NEUTRAL,
    *SAMPLING_NEUTRAL,
    "bad_words_ids",
    "begin_suppress_tokens",
    "bos_token_id",
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
    # Of prompt and answer together; the least counts instead of min_new_tokens.
    max_total_tokens: int | None = None
    min_total_tokens: int | None = None
    # Whether the folder sets a limit; else it is transformers' own.
    sets_limit: bool = True
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
    shared_positions: int | None = None,
    direction: str | None = None,
) -> tuple[Rules, Defaults]:
    """The fixed rules of a generating model, and the defaults of the rest.

    What config.json has for the task in task_specific_params goes before the general settings, as
    in transformers' pipelines; `direction` as in `task_params`. A model without an encoder goes on
    with what it read: prompt and answer share its `shared_positions`. Raises ExportError for a
    setting that the graph does not have.
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

    ids = _Ids(source, vocabulary_size)
    ends = ids.some("eos_token_id")
    if not ends:
        raise ExportError(
            f"A generating model has an eos_token_id: {folder} has none. "
            "Add it to generation_config.json."
        )
    # Padding may be outside the vocabulary: it only fills.
    padding = _or(source.take("pad_token_id", None), ends[0])
    source.ignore(("bos_token_id",))
    start = ids.one("decoder_start_token_id")
    if start is None and shared_positions is None:
        start = ids.one("bos_token_id")
    if shared_positions is not None:
        # The first token is behind the prompt.
        source.require("forced_bos_token_id", None)
        start = ends[0]
    if padding in ends or not 0 <= padding < vocabulary_size:
        # What is behind the end is told from the end itself by an id that no token has.
        padding = vocabulary_size
    if start is None:
        raise ExportError(
            "An encoder-decoder has a decoder_start_token_id or a bos_token_id: "
            f"{source.name} has none. Add one to it."
        )
    suppressed = ids.suppressed("suppress_tokens")
    words = [word for word in ids.words() if word not in [(end,) for end in ends]]
    rules = Rules(
        vocabulary_size=vocabulary_size,
        start_id=start,
        end_ids=ends,
        padding_id=padding,
        banned_ids=tuple(sorted({*suppressed, *(word[0] for word in words if len(word) == 1)})),
        banned_words=tuple(word for word in words if len(word) > 1),
        banned_first_ids=ids.suppressed("begin_suppress_tokens"),
        forced_bos_id=ids.forced("forced_bos_token_id", suppressed),
        early_stopping=_early_stopping(source),
        forced_end_id=ids.forced("forced_eos_token_id", suppressed),
        renormalize=bool(source.take("renormalize_logits", False)),
    )
    defaults = Defaults(
        num_beams=source.take("num_beams", None) or 1,
        length_penalty=_or(source.take("length_penalty", None), 1.0),
        **_lengths(source, shared_positions),
        repetition_penalty=_or(source.take("repetition_penalty", None), 1.0),
        no_repeat_ngram_size=source.take("no_repeat_ngram_size", None) or 0,
        prefix=prefix,
        **_sampling(source),
    )
    source.refuse_rest()
    return replace(rules, minimum_per_row=defaults.min_total_tokens is not None), defaults


def _lengths(source: Config, shared_positions: int | None) -> dict[str, Any]:
    """The lengths of Defaults. As in transformers, max_new_tokens goes before max_length and
    min_new_tokens before min_length, which count what the decoder has read: a prompt, or the start
    token."""

    def count(key: str, at_least: int) -> int | None:
        value = source.take(key, None)
        if value is not None and (type(value) is not int or value < at_least):
            raise ExportError(
                f"{source.name}: {key} is a whole number from {at_least} up: it is {value!r}. "
                "Change or remove it."
            )
        return value

    most, longest = count("max_new_tokens", 1), count("max_length", 2)
    least, shortest = count("min_new_tokens", 0), count("min_length", 0)
    lengths: dict[str, Any] = {"sets_limit": most is not None or longest is not None}
    if most is None and longest is None:
        lengths["max_total_tokens"] = shared_positions
    elif most is None and shared_positions is not None:
        lengths["max_total_tokens"] = longest
    if least is None and shortest and shared_positions is not None:
        lengths["min_total_tokens"], shortest = shortest, 0
    return lengths | {
        "max_new_tokens": _or(most, NEW_TOKENS if longest is None else longest - 1),
        "min_new_tokens": _or(least, max(0, (shortest or 0) - 1)),
    }


class _Ids:
    """The settings that name tokens, each checked against the vocabulary."""

    def __init__(self, source: Config, vocabulary_size: int) -> None:
        self._source = source
        self._size = vocabulary_size

    def some(self, key: str) -> tuple[int, ...]:
        """The token or tokens of a key, none twice."""
        value = self._source.take(key, None)
        found = value if isinstance(value, list) else [] if value is None else [value]
        return self._known(key, tuple(dict.fromkeys(found)))

    def one(self, key: str) -> int | None:
        """The only token of a key."""
        found = self.some(key)
        if len(found) > 1:
            raise ExportError(
                f"{self._source.name}: {key} is one token: it is {list(found)}. Keep one of them."
            )
        return found[0] if found else None

    def forced(self, key: str, suppressed: tuple[int, ...]) -> int | None:
        """A token that a place of the answer must have, which nothing may suppress."""
        found = self.one(key)
        if found in suppressed:
            raise ExportError(
                f"{self._source.name}: {key} is {found}, and suppress_tokens has it too, so that "
                "no token is left for its place. Remove it from one of them."
            )
        return found

    def suppressed(self, key: str) -> tuple[int, ...]:
        """Tokens that may not be generated; other ids count nothing, as in transformers."""
        found = self._source.take(key, None) or ()
        return tuple(sorted({token for token in found if 0 <= token < self._size}))

    def words(self) -> list[tuple[int, ...]]:
        """bad_words_ids."""
        found = self._source.take("bad_words_ids", None) or ()
        for word in found:
            if not isinstance(word, list) or not word:
                raise ExportError(
                    f"{self._source.name}: bad_words_ids is a list of lists of token ids: one of "
                    f"them is {word!r}. Change or remove it."
                )
        return [self._known("bad_words_ids", tuple(word)) for word in found]

    def _known(self, key: str, tokens: tuple[int, ...]) -> tuple[int, ...]:
        for token in tokens:
            if type(token) is not int or not 0 <= token < self._size:
                raise ExportError(
                    f"{self._source.name}: {key} names token {token!r}, but the vocabulary of "
                    f"config.json has {self._size} tokens, from 0 up. Correct one of them."
                )
        return tokens


def _early_stopping(source: Config) -> bool | str:
    value = source.take("early_stopping", None) or False
    if value not in (False, True, "never"):
        raise ExportError(
            "early_stopping is one of False, True and 'never': "
            f"it is {value!r}. Change {source.name}."
        )
    return value


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
