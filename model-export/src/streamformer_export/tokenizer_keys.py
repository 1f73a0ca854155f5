"""The keys of tokenizer_config.json, and what an export does with each."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from streamformer_export.config import read_json
from streamformer_export.errors import ExportError

SETTINGS = "tokenizer_config.json"
SPECIAL_TOKENS = (
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
)


class Fate(StrEnum):
    """What becomes of a key."""

    TAKEN = "taken"
    CHECKED = "checked"
    IGNORED = "ignored"
    REFUSED = "refused"


@dataclass(frozen=True)
class Key:
    """What an export does with a key, and why; `allowed` are the values that pass a check."""

    fate: Fate
    words: str
    allowed: tuple[Any, ...] = ()


def _taken(words: str) -> Key:
    return Key(Fate.TAKEN, words)


def _ignored(words: str, *keys: str) -> dict[str, Key]:
    return {key: Key(Fate.IGNORED, words) for key in keys}


def _checked(words: str, *allowed: Any) -> Key:
    return Key(Fate.CHECKED, words, allowed)


# In the order of the docs. A key that is not here is refused.
KEYS: dict[str, Key] = {
    "tokenizer_class": _taken("the class that reads the folder"),
    "do_lower_case": _taken("BERT, DistilBERT, ELECTRA and ALBERT: lowercase the text"),
    "strip_accents": _taken("BERT, DistilBERT, ELECTRA: drop accents; null: as do_lower_case"),
    "tokenize_chinese_chars": _taken("BERT, DistilBERT, ELECTRA: each CJK character is a word"),
    "keep_accents": _taken("ALBERT: keep accents"),
    "add_prefix_space": _taken("RoBERTa, BART, GPT-2, XLM-R, ALBERT: a space before the text"),
    "trim_offsets": _taken("RoBERTa, BART: places of tokens leave out spaces"),
    **dict.fromkeys(SPECIAL_TOKENS, _taken("a control token, and its place in the template")),
    **dict.fromkeys(
        ("additional_special_tokens", "extra_special_tokens", "model_specific_special_tokens"),
        _taken("more control tokens"),
    ),
    "added_tokens_decoder": _taken("more tokens; words among them are refused"),
    "extra_ids": _taken("T5 without tokenizer.json: the number of sentinels"),
    "language_codes": _taken("M2M100: which list of languages follows the vocabulary"),
    "legacy_behaviour": _taken("NLLB: the language is after the text"),
    "model_max_length": _taken("the longest input, within the model's positions"),
    "max_len": _taken("an older name of model_max_length"),
    "truncation_side": _taken("the end at which a long text is cut"),
    "model_input_names": _taken("whether the two texts of a pair have types of their own"),
    "clean_up_tokenization_spaces": _taken(
        "removes spaces before punctuation in generated text; not of a BPE model, as transformers 5"
    ),
    **dict.fromkeys(
        ("add_bos_token", "add_eos_token"),
        _taken("GPT-2 without tokenizer.json: frame the text; otherwise the file's template says"),
    ),
    "do_basic_tokenize": _checked("transformers 5 always splits words first", True, None),
    "sp_model_kwargs": _checked("sampled pieces would change from run to run", {}, None),
    "separate_vocabs": _checked("Marian models with a vocabulary for each side", False, None),
    "from_slow": _checked("a tokenizer made again from its SentencePiece model", False, None),
    "fast_tokenizer_files": _checked("files for certain releases", ["tokenizer.json"], [], None),
    "init_inputs": _checked("arguments of a class without names", [], None),
    "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output": _checked(
        "removes spaces before punctuation of BPE models too", False, None
    ),
    "auto_map": Key(Fate.REFUSED, "code in the folder, which an export never runs"),
    **_ignored("control tokens in a text are text in every bundle", "split_special_tokens"),
    **_ignored(
        "--language and --target-language tell the languages",
        "src_lang",
        "tgt_lang",
        "source_lang",
        "target_lang",
    ),
    **_ignored(
        "rows are padded behind a mask, which changes no answer",
        "padding_side",
        "padding",
        "pad_to_multiple_of",
        "pad_to_max_length",
        "pad_token_type_id",
    ),
    **_ignored(
        "the operator cuts by its own limit", "truncation", "truncation_strategy", "max_length"
    ),
    **_ignored("the operator has windows of its own", "stride", "return_overflowing_tokens"),
    **_ignored(
        "only read where control tokens in a text are control tokens", "legacy", "never_split"
    ),
    **_ignored("its ids are in the vocabulary", "num_madeup_words", "unk_id"),
    **_ignored("only how broken bytes of generated text are shown", "errors"),
    **_ignored("no class of either release reads it", "remove_space", "wordpieces_prefix"),
    **_ignored("no class of either release reads it", "clean_text", "use_fast", "do_lowercase"),
    **_ignored(
        "chats only", "chat_template", "chat_control_tokens", "response_schema", "response_template"
    ),
    **_ignored("what a caller gets beside the ids", "return_tensors", "verbose"),
    **_ignored(
        "where the files came from",
        "_commit_hash",
        "_name_or_path",
        "added_tokens_file",
        "backend",
        "files_loaded",
        "full_tokenizer_file",
        "is_local",
        "local_files_only",
        "merges_file",
        "model_type",
        "name_or_path",
        "processor_class",
        "revision",
        "slow_tokenizer_class",
        "source_spm",
        "special_tokens_map_file",
        "target_spm",
        "target_vocab_file",
        "tokenizer_file",
        "tokenizer_type",
        "transformers_version",
        "trust_remote_code",
        "use_auth_token",
        "vocab_file",
    ),
}


@dataclass(frozen=True)
class TokenizerConfig:
    """tokenizer_config.json of a folder, empty where it has none."""

    values: dict[str, Any]

    @staticmethod
    def read(folder: Path) -> TokenizerConfig:
        path = folder / SETTINGS
        return TokenizerConfig(read_json(path) if path.is_file() else {})

    def check(self, ignored: Collection[str] = ()) -> None:
        """Refuses keys that nobody knows, but for `ignored` ones, and values that would change a
        text's tokens."""
        for name, value in self.values.items():
            key = KEYS.get(name)
            # A class has names of its own for more control tokens.
            if key is None and name.endswith("_token"):
                continue
            if name not in ignored and (key is None or key.fate is Fate.REFUSED):
                words = key.words if key else "unknown to every class that an export reads"
                raise ExportError(
                    f"{SETTINGS} has the key {name}: {words}. If no text's tokens depend on it, "
                    f"remove it from the file. docs/tokenizers.md lists the known keys."
                )
            if key and key.fate is Fate.CHECKED and value not in key.allowed:
                supported = ", ".join(repr(one) for one in key.allowed if one is not None)
                raise ExportError(
                    f"{SETTINGS}: {name} is {value!r}. Supported: {supported} ({key.words}). "
                    "Save the tokenizer without it."
                )


def table() -> str:
    """The table of docs/tokenizers.md: keys with the same fate and words in one row."""
    rows: dict[tuple[str, str], list[str]] = {}
    for name, key in KEYS.items():
        values = ", ".join(f"`{json.dumps(value)}`" for value in key.allowed if value is not None)
        words = f"{values}: {key.words}" if values else key.words
        rows.setdefault((str(key.fate), words), []).append(f"`{name}`")
    lines = ["| key | | what it does |", "| --- | --- | --- |"]
    lines += [f"| {', '.join(names)} | {fate} | {words} |" for (fate, words), names in rows.items()]
    return "\n".join(lines)
