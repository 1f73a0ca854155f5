"""A model folder reduced to what an export needs, small enough to be kept under version control."""

from __future__ import annotations

import json
import shutil
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from streamformer_export import checkpoint
from streamformer_export.checkpoint import FLOATS, SAFETENSORS, Place
from streamformer_export.errors import ExportError
from streamformer_export.outputs import obstacle

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    # Vocabularies of BERT, and of byte-level BPE.
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    # Tokenizers in SentencePiece's form: of OPUS-MT, of fairseq's models, of T5 and ALBERT.
    "source.spm",
    "target.spm",
    "sentencepiece.bpe.model",
    "spiece.model",
)
KEPT = (
    "config.json",
    "generation_config.json",
    *TOKENIZER_FILES,
    # Of sentence-transformers.
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "1_Pooling/config.json",
    "2_Normalize/config.json",
)
HISTORY = ("training.json", "metrics.jsonl")


def pack(model: Path, out: Path) -> None:
    """Writes the weights as fp16 beside the configuration, the tokenizer and the run's history.

    The result is still a folder that transformers loads. Of the data files in training.json the
    names stay and the folders go.

    Raises ExportError if `out` is not empty, `model` has no weights that can be read, or one is too
    large for fp16 (65,504).
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ExportError(f"An existing output is kept: {out} is not empty. Give another folder.")
    problem = obstacle(out)
    if problem:
        raise ExportError(problem)
    halved = {name: _fp16(name, place) for name, place in checkpoint.find(model).items()}
    out.mkdir(parents=True, exist_ok=True)
    save_file(halved, out / SAFETENSORS, metadata={"format": "pt"})
    for name in KEPT:
        if (model / name).is_file():
            (out / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(model / name, out / name)
    for name in HISTORY:
        if (model / name).is_file():
            lines = (model / name).read_text(encoding="utf-8")
            if name.endswith(".json"):
                content = _without_folders(json.loads(lines))
                lines = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
            (out / name).write_text(lines, encoding="utf-8")


def _fp16(name: str, place: Place) -> np.ndarray:
    array = place.array()
    if place.dtype not in FLOATS:
        return array
    largest = float(np.abs(array).max(initial=0.0))
    if largest > np.finfo(np.float16).max:
        raise ExportError(
            f"{name} has {largest:g}, but fp16 holds values up to 65504. Keep this model in fp32."
        )
    return array.astype(np.float16)


def _without_folders(value: Any) -> Any:
    if isinstance(value, dict):
        return {_without_folders(key): _without_folders(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_folders(item) for item in value]
    if isinstance(value, str) and "/" in value:
        return ":".join(PurePath(part).name for part in value.split(":"))
    return value
