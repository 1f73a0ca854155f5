"""Model folders whose vocabulary is in vocab.txt, or in vocab.json and merges.txt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from streamformer_export.config import read_json
from streamformer_export.errors import ExportError
from streamformer_export.tokenizer_class import BUILDERS, FolderTokens, added_token, built

WORDS = "vocab.txt"
IDS, MERGES = "vocab.json", "merges.txt"


def has_vocabulary(folder: Path) -> bool:
    return (folder / WORDS).is_file() or all((folder / name).is_file() for name in (IDS, MERGES))


def read(folder: Path, tokens: FolderTokens) -> dict[str, Any]:
    """The tokenizer.json of a folder; raises ExportError where no class reads its vocabulary."""
    kind = BUILDERS[tokens.cls].model if tokens.cls in BUILDERS else None
    if kind == "WordPiece" and (folder / WORDS).is_file():
        lines = (folder / WORDS).read_text(encoding="utf-8").removesuffix("\n").split("\n")
        model = {"type": kind, "vocab": {line.rstrip(): i for i, line in enumerate(lines)}}
    elif kind == "BPE" and (folder / MERGES).is_file():
        lines = (folder / MERGES).read_text(encoding="utf-8").split("\n")
        merges = [line.rstrip("\r") for line in lines if not line.startswith("#version")]
        pairs = [line.split(" ") for line in merges if line]
        model = {"type": kind, "vocab": read_json(folder / IDS), "merges": pairs}
    else:
        found = WORDS if (folder / WORDS).is_file() else f"{IDS} and {MERGES}"
        known = ", ".join(name for name, b in BUILDERS.items() if b.model in ("WordPiece", "BPE"))
        raise ExportError(
            f"{folder} has {found} and no tokenizer.json, which the class "
            f"{tokens.cls or 'of its model_type'} does not read. Set tokenizer_class in "
            f"tokenizer_config.json to one of {known}, or save the tokenizer with transformers."
        )
    vocabulary = model["vocab"]
    named = {token for token in tokens.named.values() if token in vocabulary}
    added = [added_token(vocabulary[token], token) for token in named]
    shell = {"version": "1.0", "truncation": None, "padding": None}
    return {**shell, **built({"model": model, "added_tokens": added}, tokens)}
