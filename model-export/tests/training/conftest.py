"""Small training data: numbers in words, in an invented pair of languages."""

from pathlib import Path

import pytest

WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
FOREIGN = ["zoro", "ono", "twoo", "thrio", "foro", "fivo", "sixo", "sevo", "eigho", "nino"]


def number_pairs(count: int) -> list[tuple[str, str]]:
    """Returns `count` different sentences of three number words with their translations."""
    digits = [f"{number:03d}" for number in range(count)]
    return [
        (
            " ".join(WORDS[int(digit)] for digit in number) + ".",
            " ".join(FOREIGN[int(digit)] for digit in number) + " !",
        )
        for number in digits
    ]


@pytest.fixture
def pairs_table(tmp_path: Path) -> Path:
    """A table of 300 sentence pairs."""
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(f"{a}\t{b}\n" for a, b in number_pairs(300)), encoding="utf-8")
    return path
