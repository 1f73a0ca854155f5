"""Data that a bundle is measured or calibrated on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streamformer_export.answers import split_label
from streamformer_export.bundle import Bundle
from streamformer_export.errors import ExportError
from streamformer_export.families import Task
from streamformer_export.training.data import read_lines, read_pairs, require_file, split_files


@dataclass(frozen=True)
class DataSet:
    """Texts, what they are paired with, and what is expected.

    `expected` is, by the bundle's task: an index of a label; a set of labels; a list of numbers;
    spans (label, start, end) in characters; accepted answers; the similarity of a text and its
    pair. A generating bundle has `references` instead, one or more for each text.
    """

    name: str
    texts: list[str]
    pairs: list[str | None] = field(default_factory=list)
    expected: list[Any] = field(default_factory=list)
    references: list[list[str]] = field(default_factory=list)

    def inputs(self, bundle: Bundle) -> list[tuple[str, str | None]]:
        """What the bundle reads: texts with their pairs; to embed, both texts by themselves."""
        pairs = self.pairs or [None] * len(self.texts)
        both = list(zip(self.texts, pairs, strict=True))
        if bundle.manifest["task"] != Task.FEATURE_EXTRACTION:
            return both
        return [(text, None) for pair in both for text in pair if text is not None]


def _split(option: str) -> tuple[str, str]:
    """NAME, or "", and FILE of `[NAME=]FILE`; a file whose own name has `=` needs no NAME."""
    if Path(option).is_file():
        return "", option
    name, _, files = option.partition("=")
    return (name, files) if files and "/" not in name else ("", option)


def dataset_name(option: str) -> str:
    """NAME of `[NAME=]FILE`, by default the file's name."""
    name, files = _split(option)
    return name or split_files(files)[0].name.split(".")[0]


def require_files(option: str) -> None:
    """Raises TrainingError where a file of `[NAME=]FILE` is none: before long work starts."""
    for file in split_files(_split(option)[1]):
        require_file(file)


def read_data(option: str, bundle: Bundle, limit: int | None = None) -> DataSet:
    """Reads `[NAME=]FILE`, in the form that the bundle's task has; `evaluate --help` lists them."""
    name, files = dataset_name(option), _split(option)[1]
    if bundle.generates:
        return _translations(name, files, limit)
    readers: dict[str, Callable[[Path, Bundle], list[Example]]] = {
        Task.TEXT_CLASSIFICATION: _labelled_texts,
        Task.TOKEN_CLASSIFICATION: _tagged_tokens,
        Task.QUESTION_ANSWERING: _questions,
        Task.FEATURE_EXTRACTION: _similar_texts,
    }
    found = readers[bundle.manifest["task"]](Path(files), bundle)[:limit]
    if not found:
        raise ExportError(f"A data set has texts: {files} has none. Give another file.")
    texts, pairs, expected = (list(column) for column in zip(*found, strict=True))
    return DataSet(name, texts, pairs, expected)


# A text, what it is paired with, and what is expected.
Example = tuple[str, str | None, Any]


def _translations(name: str, files: str, limit: int | None) -> DataSet:
    """SOURCE:TARGET, or a table of a source and its references."""
    if len(split_files(files)) > 1:
        pairs = read_pairs(files)[:limit]
        references = [[p.target] for p in pairs]
        return DataSet(name, [p.source for p in pairs], references=references)
    lines = [line.split("\t") for line in read_lines(Path(files)) if line][:limit]
    if not lines or min(map(len, lines)) < 2:
        raise ExportError(
            f"A table of translations has a source and its references: {files} has a line without. "
            "Give such a table, or SOURCE:TARGET."
        )
    return DataSet(name, [line[0] for line in lines], references=[line[1:] for line in lines])


def _table(path: Path, column: str) -> list[tuple[str, list[str]]]:
    """Rows of a table with a header: the value of `column`, and the one or two other columns."""
    lines = read_lines(path)
    header = lines[0].split("\t") if lines else []
    if column not in header or len(header) not in (2, 3):
        raise ExportError(
            f"A table has the column {column!r} and one or two columns of texts: {path} has "
            f"{header}. Mend its header."
        )
    at = header.index(column)
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        values = line.split("\t")
        if len(values) != len(header):
            raise ExportError(
                f"A row has {len(header)} columns: line {number} of {path} has {len(values)}. "
                "Mend the line."
            )
        rows.append((values.pop(at), values))
    return rows


def _labelled_texts(path: Path, bundle: Bundle) -> list[Example]:
    labels = bundle.manifest["labels"]
    problem = bundle.manifest.get("problem_type")
    column = "labels" if problem == "multi_label_classification" else "label"
    numbers = {str(i): i for i in range(len(labels))} | {name: i for i, name in enumerate(labels)}

    def expected(value: str) -> Any:
        if problem == "regression":
            return _numbers(value, len(labels), path)
        names = [name for name in value.split(",") if name] if column == "labels" else [value]
        unknown = [name for name in names if name not in numbers]
        if unknown:
            raise ExportError(
                f"A label is one of {', '.join(labels)}, or its number: {path} has "
                f"{unknown[0]!r}. Mend the file, or measure another bundle."
            )
        chosen = [numbers[name] for name in names]
        return {labels[i] for i in chosen} if column == "labels" else chosen[0]

    return [(*_pair(texts), expected(value)) for value, texts in _table(path, column)]


def _similar_texts(path: Path, bundle: Bundle) -> list[Example]:
    rows = _table(path, "label")
    if any(len(texts) != 2 for _, texts in rows):
        raise ExportError(
            f"Embeddings are measured on pairs of texts: {path} has one text a row. "
            "Give a table with the column 'label', their similarity, and two of texts."
        )
    return [(*_pair(texts), _numbers(value, 1, path)[0]) for value, texts in rows]


def _pair(texts: list[str]) -> tuple[str, str | None]:
    return texts[0], texts[1] if len(texts) == 2 else None


def _numbers(value: str, count: int, path: Path) -> list[float]:
    try:
        found = [float(part) for part in value.split(",")]
    except ValueError:
        found = []
    if len(found) != count:
        raise ExportError(
            f"A label is {'a number' if count == 1 else f'{count} numbers'} here: {path} has "
            f"{value!r}. Mend the file."
        )
    return found


def _tagged_tokens(path: Path, bundle: Bundle) -> list[Example]:
    """CoNLL 2003's form: a token and, in the last column, its tag; empty lines between texts."""
    examples: list[Example] = []
    tokens: list[tuple[str, str]] = []
    for number, line in enumerate([*read_lines(path), ""], start=1):
        columns = line.split()
        if columns and columns[0] != "-DOCSTART-":
            if len(columns) < 2:
                raise ExportError(
                    f"A line has a token and its tag: line {number} of {path} is {line[:80]!r}. "
                    "Mend the line."
                )
            tokens.append((columns[0], columns[-1]))
        elif tokens:
            examples.append((" ".join(token for token, _ in tokens), None, spans(tokens)))
            tokens = []
    return examples


def spans(tokens: list[tuple[str, str]]) -> list[tuple[str, int, int]]:
    """Entities (label, start, end) of tagged tokens that single spaces join.

    As conlleval and seqeval read BIO tags: B- begins an entity, and so does I- after another kind.
    """
    found: list[tuple[str, int, int]] = []
    start, last = 0, "O"
    for token, tag in tokens:
        begins, kind = split_label(tag)
        end = start + len(token)
        if kind == last and not begins and found:
            found[-1] = (kind, found[-1][1], end)
        else:
            found.append((kind, start, end))
        start, last = end + 1, kind
    return [span for span in found if span[0] != "O"]


def _questions(path: Path, bundle: Bundle) -> list[Example]:
    """SQuAD's JSON; a question that has no answer expects the empty one."""
    try:
        articles = json.loads("\n".join(read_lines(path)))["data"]
        return [
            (
                question["question"],
                paragraph["context"],
                [answer["text"] for answer in question["answers"]] or [""],
            )
            for article in articles
            for paragraph in article["paragraphs"]
            for question in paragraph["qas"]
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise ExportError(
            f"Questions come in SQuAD's JSON: {path} is not ({error!r}). Convert the file."
        ) from None
