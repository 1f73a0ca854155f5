"""Reading training files: sentence pairs and labelled texts, plain or gzipped, always UTF-8."""

from __future__ import annotations

import gzip
import hashlib
import unicodedata
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from streamformer_export.training.errors import TrainingError


class Pair(NamedTuple):
    """A sentence and one translation of it."""

    source: str
    target: str


class HeldOut(NamedTuple):
    """A sentence kept away from training, with all translations known for it."""

    source: str
    references: list[str]


class LabelledText(NamedTuple):
    """A text and the index of its label."""

    text: str
    label: int


def require_file(path: Path) -> None:
    """Raises TrainingError where a data file is none."""
    if path.is_dir():
        raise TrainingError(f"A data file is no folder: {path} is one. Name a file in it.")
    if path.is_symlink() and not path.exists():
        raise TrainingError(
            f"A data file must exist: {path} is a link to {path.readlink()}, which does not. "
            "Mend the link."
        )
    if not path.exists():
        raise TrainingError(f"A data file must exist: {path} does not. Check the path.")


def read_lines(path: Path) -> list[str]:
    """Returns the lines of a text file without their line ends."""
    require_file(path)
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        # Only \n ends a line: U+2028 and friends may stand inside a sentence.
        with opener(path, "rt", encoding="utf-8", newline="\n") as file:
            return [line.rstrip("\r\n") for line in file]
    except (UnicodeDecodeError, gzip.BadGzipFile) as error:
        raise TrainingError(
            f"A data file must be UTF-8, gzipped only if it ends in .gz: {path} has {error}. "
            "Convert the file."
        ) from error
    except (EOFError, zlib.error) as error:
        raise TrainingError(
            f"A gzipped file must be whole: {path} is cut or damaged ({error}). Copy it anew."
        ) from error


def split_files(files: str) -> list[Path]:
    """Returns the files that an option names: one table, or SOURCE:TARGET.

    A file whose own name has a colon is one table.
    """
    if Path(files).is_file():
        return [Path(files)]
    return [Path(part) for part in files.split(":")]


def read_pairs(files: str) -> list[Pair]:
    """Reads `table.tsv[.gz]` (source, tab, target) or `SOURCE:TARGET` (line by line)."""
    paths = split_files(files)
    if len(paths) > 2:
        raise TrainingError(
            f"Pairs are one table or SOURCE:TARGET: {files!r} names {len(paths)} files. "
            "Give one option per pair of files."
        )
    if len(paths) == 2:
        sources, targets = read_lines(paths[0]), read_lines(paths[1])
        if len(sources) != len(targets):
            raise TrainingError(
                f"Both files of a pair have one line per sentence: {paths[0]} has {len(sources)} "
                f"lines and {paths[1]} has {len(targets)}. Align them."
            )
        return _without_blanks(map(Pair, sources, targets))
    pairs = []
    for number, line in enumerate(read_lines(paths[0]), start=1):
        columns = line.split("\t")
        if len(columns) != 2:
            raise TrainingError(
                f"A table of pairs has two columns: line {number} of {paths[0]} has "
                f"{len(columns)}. Give SOURCE:TARGET for two files, or mend the line."
            )
        pairs.append(Pair(*columns))
    return _without_blanks(pairs)


def _without_blanks(pairs: Iterable[Pair]) -> list[Pair]:
    return [pair for pair in pairs if pair.source.strip() and pair.target.strip()]


def sentence_key(sentence: str) -> str:
    """Returns what near twins share: the sentence without case, width and spacing."""
    return " ".join(unicodedata.normalize("NFKC", sentence).casefold().split())


def hold_out(pairs: list[Pair], count: int, seed: int) -> list[HeldOut]:
    """Chooses `count` distinct source sentences with all their translations."""
    groups: dict[str, list[Pair]] = {}
    for pair in pairs:
        groups.setdefault(sentence_key(pair.source), []).append(pair)
    if count >= len(groups):
        raise TrainingError(
            f"Some sentences must remain for training: {count} of {len(groups)} distinct source "
            "sentences would be held out. Lower --hold-out."
        )
    keys = list(groups)
    chosen = np.random.default_rng(seed).choice(len(keys), size=count, replace=False)
    return [
        HeldOut(group[0].source, list(dict.fromkeys(pair.target for pair in group)))
        for group in (groups[keys[index]] for index in sorted(chosen))
    ]


def without(pairs: Iterable[Pair], held_out: Iterable[HeldOut]) -> list[Pair]:
    """Returns the pairs whose source is no twin of a held-out sentence."""
    keys = {sentence_key(item.source) for item in held_out}
    return [pair for pair in pairs if sentence_key(pair.source) not in keys]


def write_held_out(path: Path, held_out: Iterable[HeldOut]) -> None:
    """Writes one line per sentence: source, then its references, separated by tabs."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for item in held_out:
            file.write("\t".join([item.source, *item.references]) + "\n")


def read_labelled_texts(
    path: Path, labels: list[str], label_column: str, text_column: str | None
) -> list[LabelledText]:
    """Reads a table with a header; labels are names from `labels` or their numbers from 0.

    Without `text_column` the table must have one column beside the label.
    """
    lines = read_lines(path)
    header = lines[0].split("\t") if lines else []
    if text_column is None:
        others = [name for name in header if name != label_column]
        if len(others) != 1:
            raise TrainingError(
                f"The text column must be known: {path} has the columns {header}. "
                "Name it with --text-column."
            )
        text_column = others[0]
    for column in (label_column, text_column):
        if column not in header:
            raise TrainingError(
                f"A column must be in the header: {path} has {header}, not {column!r}. "
                "Set --label-column or --text-column."
            )
    label_at, text_at = header.index(label_column), header.index(text_column)
    numbers = {str(index): index for index in range(len(labels))}
    numbers |= {name: index for index, name in enumerate(labels)}
    texts = []
    for number, line in enumerate(lines[1:], start=2):
        columns = line.split("\t")
        if len(columns) != len(header) or columns[label_at] not in numbers:
            raise TrainingError(
                f"A row has {len(header)} columns and a label of {labels} (or its number): "
                f"line {number} of {path} is {line[:80]!r}. Mend the line or set --labels."
            )
        texts.append(LabelledText(columns[text_at], numbers[columns[label_at]]))
    return texts


def sha256(path: Path) -> str:
    """Returns the SHA-256 of a file's bytes, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
