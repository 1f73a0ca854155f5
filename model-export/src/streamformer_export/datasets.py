"""Data that a bundle is measured or calibrated on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from streamformer_export.bundle import Bundle
from streamformer_export.errors import ExportError
from streamformer_export.training.data import read_labelled_texts, read_lines, read_pairs


@dataclass(frozen=True)
class DataSet:
    """Texts with their labels (indices), or with their reference translations."""

    name: str
    texts: list[str]
    labels: list[int]
    references: list[list[str]]


def dataset_name(option: str) -> str:
    """NAME of `[NAME=]FILE`, by default the file's name."""
    name, _, files = option.rpartition("=")
    return name or Path(files.split(":")[0]).name.split(".")[0]


def read_data(option: str, bundle: Bundle, limit: int | None = None) -> DataSet:
    """Reads `[NAME=]FILE`: a table label/text, SOURCE:TARGET, or source, tab, references."""
    name, files = dataset_name(option), option.rpartition("=")[2]
    if not bundle.generates:
        rows = read_labelled_texts(Path(files), bundle.manifest["labels"], "label", None)[:limit]
        return DataSet(name, [row.text for row in rows], [row.label for row in rows], [])
    if ":" in files:
        pairs = read_pairs(files)[:limit]
        return DataSet(name, [p.source for p in pairs], [], [[p.target] for p in pairs])
    lines = [line.split("\t") for line in read_lines(Path(files)) if line][:limit]
    if not lines or min(map(len, lines)) < 2:
        raise ExportError(
            f"A table of translations has a source and its references: {files} has a line without. "
            "Give such a table, or SOURCE:TARGET."
        )
    return DataSet(name, [line[0] for line in lines], [], [line[1:] for line in lines])
