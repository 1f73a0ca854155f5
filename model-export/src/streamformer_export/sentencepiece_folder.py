"""Model folders that have a SentencePiece model in place of a tokenizer.json.

The file becomes a tokenizer.json that reads a text as SentencePiece does, which the weights were
trained with. A family numbers the pieces and frames a text in its own way, as transformers does.
transformers 5 itself reads some folders otherwise: of mBART-25 it drops the normalizer, of NLLB the
languages, and behind mBART-50's and NLLB's texts it keeps a space as a piece.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

from streamformer_export.config import read_json
from streamformer_export.errors import ExportError
from streamformer_export.sentencepiece_model import (
    Kind,
    SentencePieceModel,
    framed,
    tokenizer_json,
)

FAIRSEQ_MODEL = "sentencepiece.bpe.model"
MODEL = "spiece.model"
VOCABULARY = "vocab.json"
SETTINGS = "tokenizer_config.json"

# How fairseq numbers: its own control tokens in place of the model's first three pieces.
FAIRSEQ = ["<s>", "<pad>", "</s>", "<unk>"]
REPLACED = ["<unk>", "<s>", "</s>"]
MASK = "<mask>"
# Sentinels of T5's pretraining, which tokenizer_config.json may leave out.
EXTRA_IDS = 100


def has_model(folder: Path) -> bool:
    return any((folder / name).is_file() for name in (FAIRSEQ_MODEL, MODEL))


def read(folder: Path) -> dict[str, Any]:
    """The tokenizer.json of a folder; raises ExportError where nobody says how it numbers."""
    name = FAIRSEQ_MODEL if (folder / FAIRSEQ_MODEL).is_file() else MODEL
    kind = read_json(folder / "config.json").get("model_type")
    if (name, kind) not in READERS:
        known = ", ".join(f"{name} of {kind}" for name, kind in READERS)
        raise ExportError(
            f"A SentencePiece model without tokenizer.json is read as {known}: this is {name} of "
            f"{kind!r}. Save the tokenizer with transformers, so that the folder has a "
            "tokenizer.json."
        )
    model = SentencePieceModel.read(folder / name)
    settings = read_json(folder / SETTINGS) if (folder / SETTINGS).is_file() else {}
    return READERS[name, kind](folder, model, settings)


def _t5(folder: Path, model: SentencePieceModel, settings: dict[str, Any]) -> dict[str, Any]:
    count = settings.get("extra_ids", EXTRA_IDS)
    names = [*_names(model), *(f"<extra_id_{i}>" for i in reversed(range(count)))]
    return framed(tokenizer_json(model, names), names, "A </s>", "A </s> B </s>")


def _albert(folder: Path, model: SentencePieceModel, settings: dict[str, Any]) -> dict[str, Any]:
    names = _names(model)
    content = tokenizer_json(model, names, end="[SEP]")
    first: list[dict[str, Any]] = [
        {"type": "Replace", "pattern": {"String": two}, "content": '"'} for two in ("``", "''")
    ]
    if not settings.get("keep_accents", False):
        first += [{"type": "NFKD"}, {"type": "StripAccents"}]
    if settings.get("do_lower_case", True):
        first.append({"type": "Lowercase"})
    content["normalizer"]["normalizers"][:0] = first
    return framed(content, names, "[CLS] A [SEP]", "[CLS] A [SEP] B:1 [SEP]:1")


def _xlm_roberta(
    folder: Path, model: SentencePieceModel, settings: dict[str, Any]
) -> dict[str, Any]:
    names = [*_fairseq_names(folder, model), MASK]
    return framed(tokenizer_json(model, names), names, "<s> A </s>", "<s> A </s> </s> B </s>")


def _mbart(folder: Path, model: SentencePieceModel, settings: dict[str, Any]) -> dict[str, Any]:
    named = settings.get("tokenizer_class") or read_json(folder / "config.json").get(
        "tokenizer_class"
    )
    many = str(named).startswith("MBart50")
    names = [*_fairseq_names(folder, model), *_codes("mbart50" if many else "mbart"), MASK]
    frame = "en_XX {} </s>" if many else "{} </s> en_XX"
    return _translator(model, names, frame)


def _m2m_100(folder: Path, model: SentencePieceModel, settings: dict[str, Any]) -> dict[str, Any]:
    """M2M100, whose pieces vocab.json numbers, or NLLB, which has none."""
    if (folder / VOCABULARY).is_file():
        codes = _codes(settings.get("language_codes", "m2m100"))
        names = [*numbered(folder / VOCABULARY), *(f"__{code}__" for code in codes)]
        return _translator(model, names, f"__{'en' if 'en' in codes else codes[0]}__ {{}} </s>")
    names = [*_fairseq_names(folder, model), *_codes("nllb"), MASK]
    legacy = settings.get("legacy_behaviour", False)
    return _translator(model, names, "{} </s> eng_Latn" if legacy else "eng_Latn {} </s>")


READERS: dict[tuple[str, str], Callable[..., dict[str, Any]]] = {
    (MODEL, "t5"): _t5,
    (MODEL, "mt5"): _t5,
    (MODEL, "albert"): _albert,
    (FAIRSEQ_MODEL, "xlm-roberta"): _xlm_roberta,
    (FAIRSEQ_MODEL, "mbart"): _mbart,
    (FAIRSEQ_MODEL, "m2m_100"): _m2m_100,
}


def numbered(path: Path) -> list[str]:
    """The pieces of a vocab.json in the order of their ids."""
    ids = read_json(path)
    names = sorted(ids, key=ids.__getitem__)
    if [ids[name] for name in names] != list(range(len(names))):
        raise ExportError(
            f"The ids of {path.name} count up from 0, one for each piece: those of {path.parent} "
            "do not. Restore the file."
        )
    return names


def _translator(model: SentencePieceModel, names: list[str], frame: str) -> dict[str, Any]:
    content = tokenizer_json(model, names)
    return framed(content, names, frame.format("A"), frame.format("A B"))


def _names(model: SentencePieceModel) -> list[str]:
    return [piece.text for piece in model.pieces]


def _fairseq_names(folder: Path, model: SentencePieceModel) -> list[str]:
    names = _names(model)
    kinds = [piece.kind for piece in model.pieces[:3]]
    if names[:3] != REPLACED or kinds != [Kind.UNKNOWN, Kind.CONTROL, Kind.CONTROL]:
        raise ExportError(
            f"{FAIRSEQ_MODEL} begins with {', '.join(REPLACED)}: that of {folder} begins with "
            f"{', '.join(names[:3])}. Save the tokenizer with transformers, so that the folder has "
            "a tokenizer.json."
        )
    return FAIRSEQ + names[3:]


def _codes(of: str) -> list[str]:
    """The languages of a published tokenizer, in the order of their tokens."""
    text = resources.files(__package__).joinpath("language_codes.json").read_text("utf-8")
    known = json.loads(text)
    if of not in known:
        raise ExportError(
            f"{SETTINGS}: language_codes is one of {', '.join(known)}: it is {of!r}. Save the "
            "tokenizer with transformers, so that the folder has a tokenizer.json."
        )
    return known[of]
