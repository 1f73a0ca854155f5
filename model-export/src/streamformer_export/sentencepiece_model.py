"""Reads SentencePiece models (`.spm`, `.model`) and writes them as tokenizers of Hugging Face.

The file is a protobuf message, `sentencepiece_model.proto` of the sentencepiece project; the few
fields that matter are read here, so that nothing needs the package.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

from streamformer_export.errors import ExportError

# What SentencePiece writes for a space.
SPACE = "\u2581"
END = "</s>"

# Fields of the messages.
MODEL_PIECE, MODEL_TRAINER, MODEL_NORMALIZER, MODEL_DENORMALIZER = 1, 2, 3, 5
PIECE_TEXT, PIECE_SCORE, PIECE_KIND = 1, 2, 3
TRAINER_TYPE, TRAINER_SUFFIX, TRAINER_BYTE_FALLBACK = 3, 24, 35
NORMALIZER_NAME, NORMALIZER_MAP = 1, 2
NORMALIZER_PREFIX, NORMALIZER_SQUEEZE, NORMALIZER_ESCAPE = 3, 4, 5

# Names of the maps that begin with Unicode's compatibility composition, and that fold case.
NFKC_RULES = ("nmt_nfkc", "nfkc", "nmt_nfkc_cf", "nfkc_cf")
FOLDING_RULES = ("nmt_nfkc_cf", "nfkc_cf")

UNIGRAM, BPE = 1, 2


class Kind(IntEnum):
    """Kinds of pieces."""

    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    USER_DEFINED = 4
    UNUSED = 5
    BYTE = 6


# What a text is made of. A byte stands for a character that no other piece has.
SPELLED = (Kind.NORMAL, Kind.USER_DEFINED, Kind.BYTE)


@dataclass(frozen=True)
class Piece:
    """One entry of the vocabulary; the score is its log-probability."""

    text: str
    score: float
    kind: Kind


@dataclass(frozen=True)
class SentencePieceModel:
    """A Unigram or BPE model: its pieces in the order of their ids, and how it normalizes."""

    pieces: tuple[Piece, ...]
    byte_fallback: bool
    characters_map: bytes
    rule: str
    add_prefix: bool
    squeeze_spaces: bool
    bpe: bool = False

    @staticmethod
    def read(path: Path) -> SentencePieceModel:
        """Reads a model file; raises ExportError for what a tokenizer.json cannot do."""
        try:
            model = list(_fields(path.read_bytes()))
            pieces = tuple(_piece(value) for field, value in model if field == MODEL_PIECE)
            trainer, normalizer, denormalizer = (
                {k: v for field, value in model if field == wanted for k, v in _fields(value)}
                for wanted in (MODEL_TRAINER, MODEL_NORMALIZER, MODEL_DENORMALIZER)
            )
        except (IndexError, struct.error, UnicodeDecodeError, ValueError) as error:
            raise ExportError(
                f"A SentencePiece model is a protobuf file: {path} is not ({error}). Copy it again."
            ) from None
        kind = trainer.get(TRAINER_TYPE, UNIGRAM)
        if kind not in (UNIGRAM, BPE):
            raise ExportError(
                f"{path.name}: model_type is supported as {UNIGRAM} (Unigram) and {BPE} (BPE): it "
                f"is {kind}. Train a model of these types."
            )
        if kind == BPE and any(piece.kind is Kind.USER_DEFINED for piece in pieces):
            named = next(piece.text for piece in pieces if piece.kind is Kind.USER_DEFINED)
            raise ExportError(
                f"{path.name}: a BPE model has no pieces that its user defined, which no merge "
                f"makes: it has {named!r}. Train it without them."
            )
        for what, wanted, seen in (
            ("treat_whitespace_as_suffix", 0, trainer.get(TRAINER_SUFFIX, 0)),
            ("escape_whitespaces", 1, normalizer.get(NORMALIZER_ESCAPE, 1)),
            ("denormalizer's precompiled_charsmap", b"", denormalizer.get(NORMALIZER_MAP, b"")),
        ):
            if seen != wanted:
                raise ExportError(
                    f"{path.name}: {what} is supported as {wanted!r}: it is {str(seen)[:40]}. "
                    "Train a model with the default settings."
                )
        if not any(piece.kind is Kind.UNKNOWN for piece in pieces):
            raise ExportError(
                f"A SentencePiece model has an unknown piece: {path} has none. Copy it again."
            )
        return SentencePieceModel(
            pieces,
            byte_fallback=bool(trainer.get(TRAINER_BYTE_FALLBACK, 0)),
            characters_map=normalizer.get(NORMALIZER_MAP, b""),
            rule=normalizer.get(NORMALIZER_NAME, b"").decode(),
            add_prefix=bool(normalizer.get(NORMALIZER_PREFIX, 1)),
            squeeze_spaces=bool(normalizer.get(NORMALIZER_SQUEEZE, 1)),
            bpe=kind == BPE,
        )


def _piece(content: bytes) -> Piece:
    fields = dict(_fields(content))
    (score,) = struct.unpack("<f", fields.get(PIECE_SCORE, b"\0\0\0\0"))
    return Piece(fields[PIECE_TEXT].decode(), score, Kind(fields.get(PIECE_KIND, Kind.NORMAL)))


def _fields(content: bytes) -> Iterator[tuple[int, Any]]:
    """Numbers and values of a protobuf message: int, or bytes for all that is not a varint."""
    at = 0
    while at < len(content):
        key, at = _varint(content, at)
        wire = key & 7
        if wire == 0:
            value, at = _varint(content, at)
            yield key >> 3, value
            continue
        if wire == 2:
            length, at = _varint(content, at)
        elif wire in (1, 5):
            length = 8 if wire == 1 else 4
        else:
            raise ValueError(f"wire type {wire} at byte {at}")
        if at + length > len(content):
            raise ValueError(f"a field of {length} bytes at byte {at} of {len(content)}")
        yield key >> 3, content[at : at + length]
        at += length


def _varint(content: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def tokenizer_json(
    model: SentencePieceModel,
    vocabulary: Sequence[str] | None = None,
    foreign: Collection[str] = (),
    end: str = END,
) -> dict[str, Any]:
    """The model as tokenizer.json, which ends every text with `end`.

    `vocabulary` are the pieces in the order of their ids where another file numbers them, those
    that only the target has (`foreign`) among them; the model's own order is the default. Pieces
    that a text cannot become keep their id under a spelling that no text has: a space in front,
    which the normalizer leaves nowhere. A piece that the vocabulary lacks is left out.
    """
    known = {piece.text: piece for piece in model.pieces}
    names = list(known) if vocabulary is None else list(vocabulary)
    unknown = next(piece.text for piece in model.pieces if piece.kind is Kind.UNKNOWN)
    if unknown not in names or end not in names:
        raise ExportError(
            f"The vocabulary has {unknown} and {end}: one is missing. "
            "Take the vocabulary that belongs to the model."
        )
    scored, special = [], []
    for id_, name in enumerate(names):
        piece = known.get(name)
        if piece is not None and piece.kind in SPELLED:
            scored.append([name, piece.score])
            continue
        scored.append([f" {name}", 0.0])
        if name not in foreign and (piece is None or piece.kind is not Kind.UNUSED):
            special.append(id_)
    content = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [_added(id_, names[id_]) for id_ in special],
        "normalizer": {"type": "Sequence", "normalizers": _normalizers(model)},
        "pre_tokenizer": {
            "type": "Metaspace",
            "replacement": SPACE,
            "prepend_scheme": "never",
            "split": True,
        },
        "post_processor": None,
        "decoder": _decoder(model),
        "model": {
            "type": "Unigram",
            "unk_id": names.index(unknown),
            "vocab": scored,
            "byte_fallback": model.byte_fallback,
        },
    }
    if model.bpe:
        content["model"] = _bpe(model, names, unknown)
    return framed(content, names, f"A {end}", f"A B {end}")


def framed(content: dict[str, Any], names: Sequence[str], single: str, pair: str) -> dict[str, Any]:
    """A tokenizer.json that frames a text, and a pair, so: `[CLS] A [SEP] B:1 [SEP]:1`.

    A and B are the texts, the rest are control tokens among `names`; :1 is a token type.
    """
    ids: dict[str, Any] = {}

    def item(word: str) -> dict[str, Any]:
        name, _, type_id = word.partition(":")
        if name in ("A", "B"):
            return {"Sequence": {"id": name, "type_id": int(type_id or 0)}}
        ids[name] = {"id": name, "ids": [names.index(name)], "tokens": [name]}
        return {"SpecialToken": {"id": name, "type_id": int(type_id or 0)}}

    content["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [item(word) for word in single.split()],
        "pair": [item(word) for word in pair.split()],
        "special_tokens": ids,
    }
    return content


def _bpe(model: SentencePieceModel, names: Sequence[str], unknown: str) -> dict[str, Any]:
    """The model of a tokenizer.json that merges as SentencePiece does: the better score first.

    A character that the vocabulary lacks is unknown; a piece that others are made of, or that is
    made of others, has to be there.
    """
    ids = {name: id_ for id_, name in enumerate(names)}
    scores = {p.text: p.score for p in model.pieces if p.kind is Kind.NORMAL}
    merges = [
        (-score, i, at, text)
        for i, (text, score) in enumerate(scores.items())
        for at in range(1, len(text))
        if text[:at] in scores and text[at:] in scores
    ]
    made = {part for _, _, at, text in merges for part in (text, text[:at], text[at:])}
    if made - ids.keys():
        raise ExportError(
            f"The vocabulary has every piece that a BPE model merges: {min(made - ids.keys())!r} "
            "is missing. Take the vocabulary that belongs to the model."
        )
    return {
        "type": "BPE",
        "dropout": None,
        "unk_token": unknown,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": True,
        "byte_fallback": model.byte_fallback,
        "ignore_merges": False,
        "vocab": ids,
        "merges": [[text[:at], text[at:]] for _, _, at, text in sorted(merges)],
    }


def decoder_json(model: SentencePieceModel, vocabulary: Sequence[str]) -> dict[str, Any]:
    """A tokenizer.json that only turns ids into text: every piece has its own spelling."""
    content = tokenizer_json(model, vocabulary)
    content["added_tokens"] = []
    content["model"] = {
        "type": "Unigram",
        "unk_id": content["model"].get("unk_id", 0),
        "vocab": [[name, 0.0] for name in vocabulary],
        "byte_fallback": model.byte_fallback,
    }
    return content


def _decoder(model: SentencePieceModel) -> dict[str, Any]:
    steps: list[dict[str, Any]] = []
    if model.byte_fallback:
        steps += [{"type": "ByteFallback"}, {"type": "Fuse"}]
    steps.append({"type": "Replace", "pattern": {"String": SPACE}, "content": " "})
    return {"type": "Sequence", "decoders": steps}


def _normalizers(model: SentencePieceModel) -> list[dict[str, Any]]:
    """What SentencePiece's normalizer does, in its order."""
    steps: list[dict[str, Any]] = []
    # Precompiled drops marks behind a character that it replaces: few are left for it.
    if model.rule in NFKC_RULES:
        steps.append({"type": "NFKC"})
    if model.rule in FOLDING_RULES:
        steps.append({"type": "Lowercase"})
    if model.characters_map:
        map_ = base64.b64encode(model.characters_map).decode()
        steps.append({"type": "Precompiled", "precompiled_charsmap": map_})
    if model.squeeze_spaces:
        steps.append(_replace(r"\A +", ""))
        steps.append(_replace(" {2,}", " "))
    if model.add_prefix:
        steps.append({"type": "Prepend", "prepend": SPACE})
    steps.append({"type": "Replace", "pattern": {"String": " "}, "content": SPACE})
    if model.squeeze_spaces:
        # A spelled-out U+2581 counts as a space here, and only here.
        steps.append(_replace(rf"{SPACE}+\z", ""))
    return steps


def _replace(pattern: str, content: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": {"Regex": pattern}, "content": content}


def _added(id_: int, content: str) -> dict[str, Any]:
    return {
        "id": id_,
        "content": content,
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": False,
        "special": True,
    }
