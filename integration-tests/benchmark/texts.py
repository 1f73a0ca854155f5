"""The texts of a comparison, out of the data sets' own files."""

from __future__ import annotations

import csv
import gzip
import random
from pathlib import Path

SEED = 1


def lines(path: Path) -> list[str]:
    """Lines of a gzipped file; other line separators of Unicode are part of a line."""
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as file:
        return file.read().removesuffix("\n").split("\n")


def sentences(data: Path) -> dict[str, str]:
    """SST-2's sentences and phrases, development and training set, with their labels 0 and 1."""
    found = {}
    for name in ("dev.tsv.gz", "train.tsv.gz"):
        rows = csv.reader(lines(data / "sst2" / name)[1:], delimiter="\t", quoting=csv.QUOTE_NONE)
        found.update((text.strip(), label) for label, text in rows if text.strip())
    return found


def test_captions(data: Path) -> tuple[list[str], list[str]]:
    """Multi30k's test2016: English captions and their French translations."""
    folder = data / "multi30k"
    return lines(folder / "test_2016_flickr.en.gz"), lines(folder / "test_2016_flickr.fr.gz")


def captions(data: Path) -> list[str]:
    """English captions that nobody trained on: Multi30k's test2016 and its validation set."""
    return test_captions(data)[0] + lines(data / "multi30k" / "val.en.gz")


def sample(texts: list[str], count: int) -> list[str]:
    """`count` texts in a mixed order, the same each time; all of them again where they run out."""
    order, found = random.Random(SEED), []
    while len(found) < count:
        found += order.sample(texts, min(len(texts), count - len(found)))
    return found


def write(path: Path, texts: list[str]) -> Path:
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return path
