"""The tokenizer of a bundle: a text never turns into a control token."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from tokenizers import Encoding, Tokenizer

from streamformer_export import native_marian, sentencepiece_folder
from streamformer_export.config import read_json
from streamformer_export.errors import ExportError
from streamformer_export.sentencepiece_model import (
    SPELLED,
    SentencePieceModel,
    decoder_json,
    tokenizer_json,
)

# OPUS-MT's models of source and target, and the ids of their pieces.
PAIR = ("source.spm", "target.spm")
PAIR_VOCABULARY = "vocab.json"


def read_tokenizer(folder: Path) -> tuple[dict[str, Any], list[int]]:
    """The bundle's tokenizer.json made from a model folder's, and the ids of control tokens.

    Added tokens are dropped, so that their spelling in a text stays text. Unigram would still match
    the piece `</s>` in its lattice: control pieces get a space in front, which no text has after
    the pre-tokenizer.
    """
    source = _content(folder)
    added = source.get("added_tokens", [])
    plain = [token["content"] for token in added if not token["special"]]
    if plain:
        raise ExportError(
            "A bundle's tokenizer has no added tokens, since they match inside words: "
            f"that of {folder} adds {', '.join(map(repr, plain[:5]))}. "
            "Make them pieces of the model."
        )
    special = sorted(token["id"] for token in added)
    ours = copy.deepcopy(source)
    ours["added_tokens"] = []
    ours["truncation"] = None
    ours["padding"] = None
    model = ours["model"]
    if model["type"] == "Unigram":
        for token in added:
            if token["id"] < len(model["vocab"]):
                model["vocab"][token["id"]][0] = f" {token['content']}"
    _check_control_tokens(ours, added)
    return ours, special


def _content(folder: Path) -> dict[str, Any]:
    """A folder's tokenizer.json, or the same made of its SentencePiece models."""
    vocabulary = native_marian.find_vocabulary(folder)
    if vocabulary is not None:
        return tokenizer_json(SentencePieceModel.read(vocabulary))
    if not _is_pair(folder):
        if not (folder / "tokenizer.json").is_file() and sentencepiece_folder.has_model(folder):
            return sentencepiece_folder.read(folder)
        return read_json(folder / "tokenizer.json")
    source, target = (SentencePieceModel.read(folder / name) for name in PAIR)
    foreign = {piece.text for piece in target.pieces if piece.kind in SPELLED}
    return tokenizer_json(source, sentencepiece_folder.numbered(folder / PAIR_VOCABULARY), foreign)


def read_target_tokenizer(folder: Path) -> dict[str, Any] | None:
    """The tokenizer.json that turns generated ids into text, where it is another one."""
    if native_marian.find_vocabulary(folder) is not None or not _is_pair(folder):
        return None
    return decoder_json(
        SentencePieceModel.read(folder / PAIR[1]),
        sentencepiece_folder.numbered(folder / PAIR_VOCABULARY),
    )


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
        tokenizer = reference(folder)
    except ExportError:
        return False
    if tokenizer.id_to_token(token_id) is None:
        return False
    added = tokenizer.get_added_tokens_decoder().get(token_id)
    if added is None or not added.special:
        return True
    unknown = _unknown_id(json.loads(tokenizer.to_str())["model"], tokenizer)
    return token_id == unknown or token_id in tokenizer.encode("", "").ids


def control_tokens(folder: Path) -> dict[str, int]:
    """Ids of a folder's control tokens, by their spelling."""
    return {token["content"]: token["id"] for token in _content(folder).get("added_tokens", [])}


def label_ids(tokenizer: Tokenizer, label: str, template: str) -> list[int]:
    """The tokens of a label behind the template: a space goes between where none is."""
    between = "" if template[-1].isspace() else " "
    return tokenizer.encode(between + label, add_special_tokens=False).ids


def load(content: dict[str, Any]) -> Tokenizer:
    return Tokenizer.from_str(json.dumps(content))


def reference(folder: Path) -> Tokenizer:
    """The folder's own tokenizer, told to read control tokens in a text as text."""
    tokenizer = load(_content(folder))
    tokenizer.encode_special_tokens = True
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def reads_alike(bundle: Tokenizer, folder: Tokenizer, text: str, pair: str | None = None) -> bool:
    """Whether a bundle's tokenizer gives the ids of its model folder's, that of `reference`.

    Where that one finds a control token in a text, as Unigram does in `</s>`, ours must not.
    """
    ours, theirs = bundle.encode(text, pair), folder.encode(text, pair)
    if ours.ids == theirs.ids:
        return True
    unknown = _unknown_id(json.loads(folder.to_str())["model"], folder)
    control = {i for i, token in folder.get_added_tokens_decoder().items() if token.special}

    def spelled(encoding: Encoding) -> bool:
        inner = zip(encoding.ids, encoding.special_tokens_mask, strict=True)
        return any(i in control and i != unknown and not added for i, added in inner)

    return spelled(theirs) and not spelled(ours)


def longest_input(folder: Path, positions: int) -> int:
    """Tokens that the model reads at most, within its positions.

    sentence_bert_config.json has the word of sentence-transformers, before tokenizer_config.json.
    """
    for file, key in (
        ("sentence_bert_config.json", "max_seq_length"),
        ("tokenizer_config.json", "model_max_length"),
    ):
        path = folder / file
        limit = read_json(path).get(key) if path.is_file() else None
        if limit:
            return min(int(limit), positions)
    return positions


def _check_control_tokens(content: dict[str, Any], added: list[dict[str, Any]]) -> None:
    tokenizer = load(content)
    unknown = _unknown_id(content["model"], tokenizer)
    for token in added:
        for text in (token["content"], f"a {token['content']} b", f"a{token['content']}b"):
            ids = tokenizer.encode(text, add_special_tokens=False).ids
            if token["id"] in ids and token["id"] != unknown:
                raise ExportError(
                    "A control token cannot be spelled by a text: "
                    f"{token['content']!r} becomes id {token['id']}. "
                    "Use a tokenizer whose pre-tokenizer splits it."
                )


def _unknown_id(model: dict[str, Any], tokenizer: Tokenizer) -> int | None:
    """The id of what the vocabulary has not, by the model in a tokenizer.json."""
    if model.get("unk_token") is not None:
        return tokenizer.token_to_id(model["unk_token"])
    return model.get("unk_id")
