"""What a generating graph can be asked for besides: inputs and outputs of schemas/README.md."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from streamformer_export.errors import ExportError
from streamformer_export.graph.builder import FLOAT, INT64, Graph


class Option(StrEnum):
    """An option of decoding; a graph without it has none of its nodes."""

    FORCED_BOS_TOKEN_ID = "forced_bos_token_id"
    REPETITION_PENALTY = "repetition_penalty"
    NO_REPEAT_NGRAM_SIZE = "no_repeat_ngram_size"
    SUPPRESS_TOKENS = "suppress_tokens"
    # The inputs temperature, top_k, top_p and seed.
    SAMPLING = "sampling"
    TOKEN_SCORES = "token_scores"
    ALIGNMENTS = "alignments"


ALL = "all"


def parse_options(words: Iterable[str]) -> frozenset[Option]:
    """Options by their names, several in a word with commas between them; `all` is every one."""
    names = {name for word in words for name in word.split(",")}
    if ALL in names:
        return frozenset(Option)
    unknown = sorted(names - set(Option))
    if unknown:
        raise ExportError(
            f"An option of decoding is one of {', '.join(Option)}, {ALL}: "
            f"{', '.join(map(repr, unknown))} is none. Leave it out or correct it."
        )
    return frozenset(Option(name) for name in names)


@dataclass(frozen=True)
class Options:
    """The options of one graph."""

    chosen: frozenset[Option] = frozenset()
    # The decoder layer whose cross-attention becomes `alignments`; negative ones count from the
    # last.
    alignment_layer: int = -1

    def __contains__(self, option: Option) -> bool:
        return option in self.chosen


NO_OPTIONS = Options()


@dataclass(frozen=True)
class Limits:
    """Names of the inputs that a caller sets for each run; empty where the graph lacks one."""

    max_new_tokens: str
    min_new_tokens: str
    num_beams: str
    length_penalty: str
    forced_bos_token_id: str = ""
    repetition_penalty: str = ""
    no_repeat_ngram_size: str = ""
    suppress_tokens: str = ""
    temperature: str = ""
    top_k: str = ""
    top_p: str = ""
    seed: str = ""


def decoding_inputs(
    g: Graph, options: Options = NO_OPTIONS, *, minimum_per_row: bool = False
) -> Limits:
    """Declares the inputs of decoding, those of the options included."""
    limits = {
        "max_new_tokens": g.input("max_new_tokens", INT64, ("batch",)),
        "min_new_tokens": g.input("min_new_tokens", INT64, ("batch",) * minimum_per_row),
        "num_beams": g.input("num_beams", INT64, ()),
        "length_penalty": g.input("length_penalty", FLOAT, ()),
    }
    optional = {
        Option.FORCED_BOS_TOKEN_ID: [("forced_bos_token_id", INT64, ("batch",))],
        Option.REPETITION_PENALTY: [("repetition_penalty", FLOAT, ())],
        Option.NO_REPEAT_NGRAM_SIZE: [("no_repeat_ngram_size", INT64, ())],
        Option.SUPPRESS_TOKENS: [("suppress_tokens", INT64, ("suppressed",))],
        Option.SAMPLING: [
            ("temperature", FLOAT, ()),
            ("top_k", INT64, ()),
            ("top_p", FLOAT, ()),
            ("seed", INT64, ("batch",)),
        ],
    }
    for option, inputs in optional.items():
        if option in options:
            limits |= {name: g.input(name, type_, shape) for name, type_, shape in inputs}
    return Limits(**limits)
