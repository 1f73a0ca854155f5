"""The tokenizer of a bundle: a text never turns into a control token."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from streamformer_export import native_marian, sentencepiece_folder, tokenizer_files
from streamformer_export.config import read_json
from streamformer_export.errors import ExportError
from streamformer_export.sentencepiece_model import (
    SPELLED,
    SentencePieceModel,
    decoder_json,
    tokenizer_json,
)
from streamformer_export.tokenizer_class import (
    BUILDERS,
    PLAIN,
    SENTENCEPIECE,
    FolderTokens,
    built,
    with_keys,
    with_tokens,
)
from streamformer_export.tokenizer_compare import differing
from streamformer_export.tokenizer_keys import SETTINGS, TokenizerConfig

FILE = "tokenizer.json"
# OPUS-MT's models of source and target, and the ids of their pieces.
PAIR = ("source.spm", "target.spm")
PAIR_VOCABULARY = "vocab.json"
# Families whose tokenizers write text too.
GENERATING = ("marian", "bart", "mbart", "m2m_100", "t5", "mt5", "gpt2")
# What transformers replaces in generated text, in this order.
CLEAN_UP = (
    (" .", "."),
    (" ?", "?"),
    (" !", "!"),
    (" ,", ","),
    (" ' ", "'"),
    (" n't", "n't"),
    (" 'm", "'m"),
    (" 's", "'s"),
    (" 've", "'ve"),
    (" 're", "'re"),
)
# Texts that tell tokenizers apart.
TELLING = (
    "Café 2026",
    " two  spaces\tand a tab ",
    "\uff21\uff22\uff23 ½ ﬁ",
    "don't, it's 3.14!",
    "你好世界",
    "İstanbul STRASSE",
    "``quoted'' a\u0301",
    "",
)


class Origin(StrEnum):
    """Who says how a tokenizer reads, where the folder's file and its class disagree."""

    FILE = "file"
    CLASS = "class"


@dataclass(frozen=True)
class Source:
    """A folder's tokenizer.json, and who says so where two disagree."""

    content: dict[str, Any]
    origin: Origin | None = None

    @property
    def control_tokens(self) -> dict[str, int]:
        """Ids of the control tokens, by their spelling."""
        return {token["content"]: token["id"] for token in self.content.get("added_tokens", [])}


def read_tokenizer(folder: Path, origin: Origin | None = None) -> tuple[dict[str, Any], list[int]]:
    """The bundle's tokenizer.json made from a model folder's, and the ids of control tokens.

    Raises ExportError as `read_source` and `bundled` do.
    """
    return bundled(folder, read_source(folder, origin))


def bundled(folder: Path, source: Source) -> tuple[dict[str, Any], list[int]]:
    """The bundle's tokenizer.json made from a folder's, and the ids of control tokens.

    Added tokens are dropped, so that their spelling in a text stays text. Unigram would still match
    the piece `</s>` in its lattice: control pieces get a space in front, which no text has after
    the pre-tokenizer. Raises ExportError for words among the added tokens, and for what would give
    a text other tokens than the folder's own tokenizer.
    """
    TokenizerConfig.read(folder).check()
    added = source.content.get("added_tokens", [])
    plain = [token["content"] for token in added if not token["special"]]
    if plain:
        raise ExportError(
            "A bundle's tokenizer has no added tokens, since they match inside words: "
            f"that of {folder} adds {', '.join(map(repr, plain[:5]))}. "
            "Make them pieces of the model."
        )
    _check_lowercase(folder, source.content)
    special = sorted(token["id"] for token in added)
    model = source.content["model"]
    if model.get("dropout"):
        raise ExportError(
            f"The model of tokenizer.json has dropout {model['dropout']}, so that a text has other "
            "tokens each time. Set it to null."
        )
    if model["type"] == "Unigram":
        pieces = list(model["vocab"])
        for token in added:
            if token["id"] < len(pieces):
                pieces[token["id"]] = [f" {token['content']}", pieces[token["id"]][1]]
        model = {**model, "vocab": pieces}
    bare = {"added_tokens": [], "truncation": None, "padding": None}
    ours = {**source.content, **bare, "model": model}
    _check_control_tokens(ours, added)
    return ours, special


def read_source(folder: Path, origin: Origin | None = None) -> Source:
    """A folder's tokenizer.json, or the same made of its vocabulary or SentencePiece models.

    Where transformers 4, which takes the file, and transformers 5, which rebuilds it by its class,
    read texts otherwise, `origin` says which to take; raises ExportError where it is None.
    """
    vocabulary = native_marian.find_vocabulary(folder)
    if vocabulary is not None:
        return Source(tokenizer_json(SentencePieceModel.read(vocabulary)))
    tokens = FolderTokens.read(folder)
    if not (folder / FILE).is_file():
        return Source(_cleaning_up(_from_files(folder, tokens), tokens))
    file = _with_type(read_json(folder / FILE))
    if tokens.cls in PLAIN:
        return Source(_cleaning_up(with_tokens(file, tokens), tokens))
    by_file = with_keys(file, tokens)
    if tokens.cls not in BUILDERS:
        asked = tokens.cls not in SENTENCEPIECE or _has_sentencepiece(folder)
        if asked and origin is not Origin.FILE:
            raise ExportError(_unknown(tokens.cls))
        return Source(_cleaning_up(by_file, tokens), origin if asked else None)
    by_class = built(file, tokens)
    parts = differing(by_file, by_class, _decodes(folder))
    if parts and origin is None:
        raise ExportError(_disagreement(tokens.cls, parts, by_file, by_class))
    taken = by_class if parts and origin is Origin.CLASS else by_file
    return Source(_cleaning_up(taken, tokens), origin if parts else None)


def _from_files(folder: Path, tokens: FolderTokens) -> dict[str, Any]:
    if not _has_sentencepiece(folder):
        if tokenizer_files.has_vocabulary(folder):
            return tokenizer_files.read(folder, tokens)
        return read_json(folder / FILE)
    if tokens.keys.get("add_prefix_space") is False:
        raise ExportError(
            f"{SETTINGS}: add_prefix_space is false, and a SentencePiece model says itself whether "
            "a text begins with a space. Remove the key, or save the tokenizer with transformers, "
            "so that the folder has a tokenizer.json."
        )
    if not _is_pair(folder):
        return sentencepiece_folder.read(folder)
    source, target = (SentencePieceModel.read(folder / name) for name in PAIR)
    foreign = {piece.text for piece in target.pieces if piece.kind in SPELLED}
    return tokenizer_json(source, sentencepiece_folder.numbered(folder / PAIR_VOCABULARY), foreign)


def _has_sentencepiece(folder: Path) -> bool:
    pair = all((folder / name).is_file() for name in (*PAIR, PAIR_VOCABULARY))
    return pair or sentencepiece_folder.has_model(folder)


def _with_type(content: dict[str, Any]) -> dict[str, Any]:
    """Files of older releases leave out the type of the model."""
    if "type" in content["model"]:
        return content
    return json.loads(load(content).to_str())


def _unknown(cls: str) -> str:
    if cls in SENTENCEPIECE:
        return (
            f"{cls} reads the SentencePiece models of the folder, and not the tokenizer.json "
            "beside them. Add --tokenizer file to take tokenizer.json, or remove it."
        )
    return (
        f"The tokenizer's class is {cls or 'not named'}. An export knows how "
        f"{', '.join(BUILDERS)} change a tokenizer.json, and not this one. Add --tokenizer file to "
        "take tokenizer.json as it is."
    )


def _disagreement(
    cls: str, parts: list[str], by_file: dict[str, Any], by_class: dict[str, Any]
) -> str:
    shown = ""
    one, other = load(by_file), load(by_class)
    for text in TELLING:
        found, expected = one.encode(text), other.encode(text)
        if found.ids != expected.ids:
            shown = f" Of {text!r} the file makes {found.tokens}, the class {expected.tokens}."
            break
    return (
        f"tokenizer.json and {cls} disagree in: {', '.join(parts)}.{shown} --tokenizer file takes "
        "the file, as transformers 4 and most servers do; --tokenizer class takes what "
        "transformers 5 makes of it. Add the one that the model was trained with."
    )


def _decodes(folder: Path) -> bool:
    return read_json(folder / "config.json").get("model_type") in GENERATING


def _cleaning_up(content: dict[str, Any], tokens: FolderTokens) -> dict[str, Any]:
    """The tokenizer.json whose decoder removes spaces before punctuation, where a key says so."""
    wanted = tokens.keys.get("clean_up_tokenization_spaces")
    if not wanted or content["model"]["type"] != "Unigram":
        return content
    steps = [content["decoder"]] if content.get("decoder") else []
    steps += [{"type": "Fuse"}]
    steps += [{"type": "Replace", "pattern": {"String": a}, "content": b} for a, b in CLEAN_UP]
    return {**content, "decoder": {"type": "Sequence", "decoders": steps}}


def _check_lowercase(folder: Path, content: dict[str, Any]) -> None:
    """sentence-transformers lowercases a text before a tokenizer that does not."""
    path = folder / "sentence_bert_config.json"
    if not path.is_file() or not read_json(path).get("do_lower_case"):
        return
    normalizer = content.get("normalizer") or {}
    steps = normalizer.get("normalizers", [normalizer])
    if not any(step.get("type") == "Lowercase" or step.get("lowercase") for step in steps):
        raise ExportError(
            f"{path.name}: do_lower_case is true, and the tokenizer keeps capitals. Save the "
            "tokenizer with a normalizer that lowercases, and set do_lower_case to false."
        )


def read_target_tokenizer(folder: Path) -> dict[str, Any] | None:
    """The tokenizer.json that turns generated ids into text, where it is another one."""
    if native_marian.find_vocabulary(folder) is not None or not _is_pair(folder):
        return None
    content = decoder_json(
        SentencePieceModel.read(folder / PAIR[1]),
        sentencepiece_folder.numbered(folder / PAIR_VOCABULARY),
    )
    return _cleaning_up(content, FolderTokens.read(folder))


def read_target_encoder(folder: Path) -> Tokenizer | None:
    """What turns translations into ids, where it is not the tokenizer of the sources."""
    if native_marian.find_vocabulary(folder) is not None or not _is_pair(folder):
        return None
    target = SentencePieceModel.read(folder / PAIR[1])
    return load(tokenizer_json(target, sentencepiece_folder.numbered(folder / PAIR_VOCABULARY)))


def _is_pair(folder: Path) -> bool:
    """Whether a folder has OPUS-MT's SentencePiece models and no tokenizer.json."""
    files = (*PAIR, PAIR_VOCABULARY)
    return not (folder / "tokenizer.json").is_file() and all((folder / f).is_file() for f in files)


def may_write(folder: Path, token_id: int) -> bool:
    """Whether the ids of a text may have this one, which then is no padding.

    False for a folder without a tokenizer, which is not exported.
    """
    try:
        tokenizer = reference(folder, Origin.FILE)
    except ExportError:
        return False
    if tokenizer.id_to_token(token_id) is None:
        return False
    added = tokenizer.get_added_tokens_decoder().get(token_id)
    if added is None or not added.special:
        return True
    unknown = unknown_id(json.loads(tokenizer.to_str())["model"], tokenizer)
    return token_id == unknown or token_id in tokenizer.encode("", "").ids


def control_tokens(folder: Path, origin: Origin | None = None) -> dict[str, int]:
    """Ids of a folder's control tokens, by their spelling."""
    return read_source(folder, origin).control_tokens


def label_ids(tokenizer: Tokenizer, label: str, template: str) -> list[int]:
    """The tokens of a label behind the template: a space goes between where none is."""
    between = "" if template[-1].isspace() else " "
    return tokenizer.encode(between + label, add_special_tokens=False).ids


def load(content: dict[str, Any]) -> Tokenizer:
    try:
        return Tokenizer.from_str(json.dumps(content))
    except Exception as error:  # the library raises nothing narrower
        raise ExportError(
            f"The tokenizers library cannot read this tokenizer: {error}. Check that its files "
            "belong together, and copy them from the same model."
        ) from None


def reference(folder: Path, origin: Origin | None = None) -> Tokenizer:
    """The folder's own tokenizer, told to read control tokens in a text as text."""
    tokenizer = load(read_source(folder, origin).content)
    tokenizer.encode_special_tokens = True
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def longest_input(folder: Path, positions: int) -> int:
    """Tokens that the model reads at most, within its positions.

    sentence_bert_config.json has the word of sentence-transformers, before tokenizer_config.json.
    """
    for file, key in (
        ("sentence_bert_config.json", "max_seq_length"),
        (SETTINGS, "model_max_length"),
        (SETTINGS, "max_len"),
    ):
        path = folder / file
        limit = read_json(path).get(key) if path.is_file() else None
        if limit:
            return min(int(limit), positions)
    return positions


def _check_control_tokens(content: dict[str, Any], added: list[dict[str, Any]]) -> None:
    tokenizer = load(content)
    unknown = unknown_id(content["model"], tokenizer)
    for token in added:
        for text in (token["content"], f"a {token['content']} b", f"a{token['content']}b"):
            ids = tokenizer.encode(text, add_special_tokens=False).ids
            if token["id"] in ids and token["id"] != unknown:
                raise ExportError(
                    "A control token cannot be spelled by a text: "
                    f"{token['content']!r} becomes id {token['id']}. "
                    "Use a tokenizer whose pre-tokenizer splits it."
                )


def unknown_id(model: dict[str, Any], tokenizer: Tokenizer) -> int | None:
    """The id of what the vocabulary has not, by the model in a tokenizer.json."""
    if model.get("unk_token") is not None:
        return tokenizer.token_to_id(model["unk_token"])
    return model.get("unk_id")
