"""What transformers 5 makes of a tokenizer by its class, without transformers.

Its classes rebuild normalizer, pre-tokenizer, template and the model's settings from their own
defaults and the keys of tokenizer_config.json, and take the vocabulary alone from tokenizer.json.
transformers 4 takes the file, and changes it by a few keys (`with_keys`).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamformer_export.config import read_json
from streamformer_export.errors import ExportError
from streamformer_export.tokenizer_keys import SETTINGS, SPECIAL_TOKENS, TokenizerConfig

SPACE = "\u2581"
SPECIAL_TOKENS_MAP = "special_tokens_map.json"
ADDED_TOKENS = "added_tokens.json"
# Classes that take a tokenizer.json as it is, and none.
PLAIN = ("", "PreTrainedTokenizer", "TokenizersBackend", "PythonBackend")
# Classes that read SentencePiece models and never a tokenizer.json.
SENTENCEPIECE = ("M2M100Tokenizer", "MarianTokenizer")
# The class of a model whose folder names none.
CLASSES = {
    "albert": "AlbertTokenizer",
    "bart": "BartTokenizer",
    "bert": "BertTokenizer",
    "camembert": "CamembertTokenizer",
    "distilbert": "DistilBertTokenizer",
    "electra": "ElectraTokenizer",
    "gpt2": "GPT2Tokenizer",
    "m2m_100": "M2M100Tokenizer",
    "marian": "MarianTokenizer",
    "mbart": "MBartTokenizer",
    "mt5": "T5Tokenizer",
    "roberta": "RobertaTokenizer",
    "t5": "T5Tokenizer",
    "xlm-roberta": "XLMRobertaTokenizer",
}
BERT_TOKENS = {
    "unk_token": "[UNK]",
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
    "cls_token": "[CLS]",
    "mask_token": "[MASK]",
}
FAIRSEQ_TOKENS = {
    "bos_token": "<s>",
    "eos_token": "</s>",
    "sep_token": "</s>",
    "cls_token": "<s>",
    "unk_token": "<unk>",
    "pad_token": "<pad>",
    "mask_token": "<mask>",
}
ALBERT_TOKENS = {
    "bos_token": "[CLS]",
    "eos_token": "[SEP]",
    "unk_token": "<unk>",
    "sep_token": "[SEP]",
    "pad_token": "<pad>",
    "cls_token": "[CLS]",
    "mask_token": "[MASK]",
}
T5_TOKENS = {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
GPT2_TOKENS = dict.fromkeys(("unk_token", "bos_token", "eos_token"), "<|endoftext|>")


@dataclass(frozen=True)
class FolderTokens:
    """What the settings beside a tokenizer say: its class, its keys and its control tokens."""

    cls: str
    keys: dict[str, Any]
    named: dict[str, str | None]
    # Further tokens by spelling: their id where a file gives one, and whether they are special.
    more: dict[str, tuple[int | None, bool]]

    @staticmethod
    def read(folder: Path) -> FolderTokens:
        keys = TokenizerConfig.read(folder).values
        config = read_json(folder / "config.json") if (folder / "config.json").is_file() else {}
        said = keys.get("tokenizer_class") or config.get("tokenizer_class")
        cls = (said or CLASSES.get(config.get("model_type"), "")).removesuffix("Fast")
        decoder = keys.get("added_tokens_decoder")
        beside = _optional(folder / SPECIAL_TOKENS_MAP) if decoder is None else {}
        words = {**keys, **beside}
        defaults = BUILDERS[cls].tokens if cls in BUILDERS else {}
        named = {k: _spelling(words[k]) if k in words else defaults.get(k) for k in SPECIAL_TOKENS}
        more: dict[str, tuple[int | None, bool]] = {}
        for id_, token in (decoder or {}).items():
            more[token["content"]] = int(id_), bool(token.get("special", False))
        listed = [
            *_listed(words.get("additional_special_tokens")),
            *_listed(words.get("extra_special_tokens")),
            *_listed(words.get("model_specific_special_tokens")),
            *(_spelling(v) for k, v in keys.items() if k.endswith("_token") and _is_token(v)),
            *filter(None, named.values()),
        ]
        if decoder is None:
            for token, id_ in _optional(folder / ADDED_TOKENS).items():
                more[token] = id_, False
        for token in filter(None, listed):
            more[token] = more.get(token, (None, True))[0], True
        return FolderTokens(cls, keys, named, more)

    def token(self, name: str) -> str:
        found = self.named.get(name)
        if found is None:
            raise ExportError(
                f"{SETTINGS}: {self.cls} needs {name}, and it is null. Name a token of the "
                "vocabulary."
            )
        return found


def _optional(path: Path) -> dict[str, Any]:
    return read_json(path) if path.is_file() else {}


def _is_token(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, dict) and "content" in value)


def _spelling(value: Any) -> str | None:
    return value["content"] if isinstance(value, dict) else value


def _listed(value: Any) -> list[str | None]:
    items = value.values() if isinstance(value, dict) else value or ()
    return [_spelling(one) for one in items]


def ids_of(content: dict[str, Any]) -> dict[str, int]:
    """The ids of a tokenizer.json's pieces and added tokens by their spelling."""
    vocabulary = content["model"]["vocab"]
    if isinstance(vocabulary, list):
        vocabulary = {piece: i for i, (piece, _) in enumerate(vocabulary)}
    return {**vocabulary, **{t["content"]: t["id"] for t in content["added_tokens"]}}


def with_tokens(content: dict[str, Any], tokens: FolderTokens) -> dict[str, Any]:
    """The tokenizer.json with the control tokens that the settings beside it name."""
    ids = ids_of(content)
    added = {token["content"]: dict(token) for token in content["added_tokens"]}
    for token, (id_, special) in tokens.more.items():
        if token in added:
            added[token]["special"] |= special
        elif token in ids or id_ is not None:
            added[token] = added_token(ids.get(token, id_), token, special)
    return {**content, "added_tokens": sorted(added.values(), key=lambda t: t["id"])}


def added_token(id_: int, token: str, special: bool = True) -> dict[str, Any]:
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": id_, "content": token, **flags, "special": special}


@dataclass(frozen=True)
class _Parts:
    """What a class builds from, for one folder."""

    tokens: FolderTokens
    # The file's, of which a class takes the vocabulary, and some of them parts.
    file: dict[str, Any]
    ids: dict[str, int]

    def key(self, name: str, default: Any) -> Any:
        return self.tokens.keys.get(name, default)

    def id(self, token: str) -> int:
        if token not in self.ids:
            raise ExportError(
                f"{SETTINGS}: {self.tokens.cls} frames a text with {token!r}, which is not in the "
                "vocabulary. Correct the name, or export the files that the tokenizer was made of."
            )
        return self.ids[token]

    def frame(self, single: str, pair: str) -> dict[str, Any]:
        """A template such as "[CLS] A [SEP] B:1 [SEP]:1", of the names of control tokens."""
        used: dict[str, dict[str, Any]] = {}

        def items(form: str) -> list[dict[str, Any]]:
            found = []
            for item in form.split():
                name, _, kind = item.partition(":")
                if name in ("A", "B"):
                    found.append({"Sequence": {"id": name, "type_id": int(kind or 0)}})
                    continue
                token = self.tokens.token(name) if name in SPECIAL_TOKENS else name
                used[token] = {"id": token, "ids": [self.id(token)], "tokens": [token]}
                found.append({"SpecialToken": {"id": token, "type_id": int(kind or 0)}})
            return found

        return {
            "type": "TemplateProcessing",
            "single": items(single),
            "pair": items(pair),
            "special_tokens": used,
        }

    def charsmap(self) -> list[dict[str, Any]]:
        """The first SentencePiece map of the file's normalizer."""
        normalizer = self.file.get("normalizer") or {}
        steps = normalizer.get("normalizers", [normalizer])
        return [step for step in steps if step.get("type") == "Precompiled"][:1]

    def model(self, **settings: Any) -> dict[str, Any]:
        kept = {k: v for k, v in self.file["model"].items() if k in ("vocab", "merges")}
        return {**settings, **kept}


def _bert(parts: _Parts) -> dict[str, Any]:
    unknown = parts.tokens.token("unk_token")
    return {
        "model": parts.model(
            type="WordPiece",
            unk_token=unknown,
            continuing_subword_prefix="##",
            max_input_chars_per_word=100,
        ),
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": parts.key("tokenize_chinese_chars", True),
            "strip_accents": parts.key("strip_accents", None),
            "lowercase": parts.key("do_lower_case", True),
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": parts.frame(
            "cls_token A sep_token", "cls_token A sep_token B:1 sep_token:1"
        ),
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
    }


def _byte_level(parts: _Parts) -> dict[str, Any]:
    prefix = parts.key("add_prefix_space", False)
    level = {"type": "ByteLevel", "trim_offsets": True, "use_regex": True}
    return {
        "model": parts.model(
            type="BPE",
            dropout=None,
            unk_token=None,
            continuing_subword_prefix="",
            end_of_word_suffix="",
            fuse_unk=False,
            byte_fallback=False,
            ignore_merges=False,
        ),
        "normalizer": None,
        "pre_tokenizer": {**level, "add_prefix_space": prefix},
        "decoder": {**level, "add_prefix_space": True},
    }


def _roberta(parts: _Parts) -> dict[str, Any]:
    sep, cls = (parts.tokens.token(name) for name in ("sep_token", "cls_token"))
    return {
        **_byte_level(parts),
        "post_processor": {
            "type": "RobertaProcessing",
            "sep": [sep, parts.id(sep)],
            "cls": [cls, parts.id(cls)],
            "trim_offsets": parts.key("trim_offsets", True),
            "add_prefix_space": parts.key("add_prefix_space", False),
        },
    }


def _gpt2(parts: _Parts) -> dict[str, Any]:
    frame = parts.file.get("post_processor")
    if frame is None:
        # Beside a tokenizer.json both keys are dropped.
        files = "normalizer" not in parts.file
        first = "bos_token" if files and parts.key("add_bos_token", False) else ""
        last = "eos_token" if files and parts.key("add_eos_token", False) else ""
        single = f"{first} A {last}"
        frame = parts.frame(single, f"{single} {first and first + ':1'} B:1 {last and last + ':1'}")
    return {**_byte_level(parts), "post_processor": frame}


def _metaspace(parts: _Parts, prefix: bool = True, words: bool = True) -> dict[str, Any]:
    scheme = "always" if prefix else "never"
    space = {
        "type": "Metaspace",
        "replacement": SPACE,
        "prepend_scheme": scheme,
        "split": True,
    }
    split = {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, space]}
    return {"pre_tokenizer": split if words else space, "decoder": space}


def _sequence(steps: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "Sequence", "normalizers": steps}


def _unigram(parts: _Parts, unknown: int) -> dict[str, Any]:
    return parts.model(type="Unigram", unk_id=unknown, byte_fallback=False)


def _xlm_roberta(parts: _Parts) -> dict[str, Any]:
    return {
        "model": _unigram(parts, 3),
        "normalizer": _sequence(parts.charsmap()),
        **_metaspace(parts, parts.key("add_prefix_space", True)),
        "post_processor": parts.frame(
            "bos_token A eos_token", "bos_token A eos_token eos_token B eos_token"
        ),
    }


def _camembert(parts: _Parts) -> dict[str, Any]:
    unknown = parts.tokens.token("unk_token")
    return {**_xlm_roberta(parts), "model": _unigram(parts, parts.ids.get(unknown, 0))}


def _albert(parts: _Parts) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [
        {"type": "Replace", "pattern": {"String": two}, "content": '"'} for two in ("``", "''")
    ]
    if not parts.key("keep_accents", False):
        steps += [{"type": "NFKD"}, {"type": "StripAccents"}]
    if parts.key("do_lower_case", True):
        steps.append({"type": "Lowercase"})
    frame = parts.file.get("post_processor")
    return {
        "model": _unigram(parts, 1),
        "normalizer": _sequence([*steps, *parts.charsmap()]),
        **_metaspace(parts, parts.key("add_prefix_space", True)),
        "post_processor": frame or parts.frame("[CLS] A [SEP]", "[CLS] A [SEP] B:1 [SEP]:1"),
    }


def _t5(parts: _Parts) -> dict[str, Any]:
    if parts.key("add_prefix_space", None) is False:
        raise ExportError(
            f"{SETTINGS}: add_prefix_space is false, which transformers 5 drops for T5, and "
            "transformers 4 reads with a SentencePiece model. Remove the key."
        )
    return {
        "model": _unigram(parts, 2),
        "normalizer": _sequence(parts.charsmap()),
        **_metaspace(parts),
        "post_processor": parts.frame("A eos_token", "A eos_token B eos_token"),
    }


def _mbart(parts: _Parts) -> dict[str, Any]:
    language = parts.key("src_lang", None) or "en_XX"
    return {
        "model": _unigram(parts, 3),
        "normalizer": None,
        **_metaspace(parts),
        "post_processor": parts.frame(f"A eos_token {language}", f"A B eos_token {language}"),
    }


SQUEEZED = {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}


def _mbart50(parts: _Parts) -> dict[str, Any]:
    language = parts.key("src_lang", None) or "en_XX"
    return {
        "model": _unigram(parts, 3),
        "normalizer": _sequence([*parts.charsmap(), SQUEEZED]),
        **_metaspace(parts, words=False),
        "post_processor": parts.frame(f"{language} A eos_token", f"{language} A B eos_token"),
    }


def _nllb(parts: _Parts) -> dict[str, Any]:
    language = parts.key("src_lang", None) or "eng_Latn"
    before, after = (language, "") if not parts.key("legacy_behaviour", False) else ("", language)
    map_ = parts.charsmap()
    return {
        "model": parts.model(
            type="BPE",
            dropout=None,
            unk_token=parts.tokens.token("unk_token"),
            continuing_subword_prefix=None,
            end_of_word_suffix=None,
            fuse_unk=True,
            byte_fallback=False,
            ignore_merges=False,
        ),
        "normalizer": _sequence([*map_, SQUEEZED]) if map_ else None,
        **_metaspace(parts, words=False),
        "post_processor": parts.frame(
            f"{before} A eos_token {after}", f"{before} A B eos_token {after}"
        ),
    }


@dataclass(frozen=True)
class _Builder:
    """How a class builds, and its control tokens where no file names them."""

    build: Callable[[_Parts], dict[str, Any]]
    tokens: dict[str, str]
    model: str


BUILDERS = {
    "AlbertTokenizer": _Builder(_albert, ALBERT_TOKENS, "Unigram"),
    "BartTokenizer": _Builder(_roberta, FAIRSEQ_TOKENS, "BPE"),
    "BertTokenizer": _Builder(_bert, BERT_TOKENS, "WordPiece"),
    "CamembertTokenizer": _Builder(_camembert, FAIRSEQ_TOKENS, "Unigram"),
    "DistilBertTokenizer": _Builder(_bert, BERT_TOKENS, "WordPiece"),
    "ElectraTokenizer": _Builder(_bert, BERT_TOKENS, "WordPiece"),
    "GPT2Tokenizer": _Builder(_gpt2, GPT2_TOKENS, "BPE"),
    "MBart50Tokenizer": _Builder(_mbart50, FAIRSEQ_TOKENS, "Unigram"),
    "MBartTokenizer": _Builder(_mbart, FAIRSEQ_TOKENS, "Unigram"),
    "NllbTokenizer": _Builder(_nllb, FAIRSEQ_TOKENS, "BPE"),
    "RobertaTokenizer": _Builder(_roberta, FAIRSEQ_TOKENS, "BPE"),
    "T5Tokenizer": _Builder(_t5, T5_TOKENS, "Unigram"),
    "XLMRobertaTokenizer": _Builder(_xlm_roberta, FAIRSEQ_TOKENS, "Unigram"),
}


def built(content: dict[str, Any], tokens: FolderTokens) -> dict[str, Any]:
    """What the class makes of a vocabulary.

    `content` is the folder's tokenizer.json, or the model and the added tokens alone.
    """
    builder = BUILDERS[tokens.cls]
    kind = content["model"]["type"]
    if kind != builder.model:
        raise ExportError(
            f"{tokens.cls} has a {builder.model} model, and tokenizer.json has {kind}. Set "
            f"tokenizer_class of {SETTINGS} to the tokenizer's class, or to "
            "PreTrainedTokenizerFast to take the file as it is."
        )
    content = with_tokens(content, tokens)
    return {**content, **builder.build(_Parts(tokens, content, ids_of(content)))}


def with_keys(content: dict[str, Any], tokens: FolderTokens) -> dict[str, Any]:
    """The tokenizer.json as transformers 4 reads it: the file, changed by the keys of its class."""
    content = with_tokens(copy.copy(content), tokens)
    if tokens.cls not in BUILDERS:
        return content
    build, keys = BUILDERS[tokens.cls].build, tokens.keys
    normalizer = content.get("normalizer") or {}
    if build is _bert and normalizer.get("type") == "BertNormalizer":
        content["normalizer"] = {
            **normalizer,
            "lowercase": keys.get("do_lower_case", True),
            "strip_accents": keys.get("strip_accents"),
            "handle_chinese_chars": keys.get("tokenize_chinese_chars", True),
        }
    prefix = keys.get("add_prefix_space", False)
    pre_tokenizer = content.get("pre_tokenizer") or {}
    if pre_tokenizer.get("type") == "ByteLevel":
        content["pre_tokenizer"] = {**pre_tokenizer, "add_prefix_space": prefix}
    frame = content.get("post_processor") or {}
    if build is _roberta and frame.get("type") == "RobertaProcessing":
        trim = keys.get("trim_offsets", True)
        content["post_processor"] = {**frame, "trim_offsets": trim, "add_prefix_space": prefix}
    if build in (_mbart, _mbart50, _nllb):
        # All versions frame a text by its language.
        frame = build(_Parts(tokens, content, ids_of(content)))["post_processor"]
        content["post_processor"] = frame
    return content
