"""What the outputs of an encoder's graph mean, and how two answers are compared.

The rules are those of schemas/README.md, which the operator follows too.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

import numpy as np

from streamformer_export.families import Task
from streamformer_export.rows import Row

# The longest answer to a question, in tokens.
LONGEST_ANSWER = 30
# A label of a multi-label model holds from this probability up.
THRESHOLD = 0.5
NO_ENTITY = "O"


class Aggregation(StrEnum):
    """How tokens become entities, by the names of transformers' pipeline."""

    SIMPLE = "simple"
    FIRST = "first"
    AVERAGE = "average"
    MAX = "max"
    NONE = "none"


@dataclass(frozen=True)
class Entity:
    """A stretch of the text, in characters."""

    label: str
    score: float
    start: int
    end: int

    @property
    def span(self) -> tuple[str, int, int]:
        return self.label, self.start, self.end


@dataclass(frozen=True)
class Answer:
    """A stretch of the context, in characters."""

    start: int
    end: int
    score: float


class Reader(Protocol):
    """How one task's outputs are read; an answer is what `read` returns."""

    def read(self, outputs: list[np.ndarray], row: Row) -> Any:
        """The answer of one row: its outputs, without batch axis and padding."""

    def line(self, answer: Any) -> dict[str, Any]:
        """The answer as a line of golden.jsonl has it."""

    def compare(self, line: dict[str, Any], answer: Any) -> tuple[float, bool]:
        """Largest difference to a golden line's scores, and whether the answers are equal."""


def reader(manifest: dict[str, Any]) -> Reader:
    """The reader of an encoder's bundle."""
    task = manifest["task"]
    if task == Task.TOKEN_CLASSIFICATION:
        return Entities(manifest["labels"], manifest["aggregation"])
    if task == Task.QUESTION_ANSWERING:
        return Answers(manifest.get("align_to_words", False))
    if task == Task.FEATURE_EXTRACTION:
        return Embeddings()
    return {
        "single_label_classification": SingleLabel,
        "multi_label_classification": ManyLabels,
        "regression": Values,
    }[manifest.get("problem_type", "single_label_classification")](manifest["labels"])


@dataclass(frozen=True)
class SingleLabel:
    """Answers are probabilities (labels) that sum to 1."""

    labels: list[str]

    def read(self, outputs: list[np.ndarray], row: Row) -> np.ndarray:
        return softmax(outputs[0])

    def line(self, answer: np.ndarray) -> dict[str, Any]:
        best = int(answer.argmax())
        return {"label": self.labels[best], "score": round(float(answer[best]), 6)}

    def compare(self, line: dict[str, Any], answer: np.ndarray) -> tuple[float, bool]:
        golden = self.labels.index(line["label"])
        return abs(float(answer[golden]) - line["score"]), int(answer.argmax()) == golden


@dataclass(frozen=True)
class Values:
    """Answers are numbers (labels): a regression."""

    labels: list[str]

    def read(self, outputs: list[np.ndarray], row: Row) -> np.ndarray:
        return outputs[0].astype(np.float64)

    def line(self, answer: np.ndarray) -> dict[str, Any]:
        return {"scores": dict(zip(self.labels, np.round(answer, 6).tolist(), strict=True))}

    def compare(self, line: dict[str, Any], answer: np.ndarray) -> tuple[float, bool]:
        return float(np.abs(self._golden(line) - answer).max()), True

    def _golden(self, line: dict[str, Any]) -> np.ndarray:
        return np.array([line["scores"][label] for label in self.labels])


class ManyLabels(Values):
    """Answers are a probability for each label (labels)."""

    def read(self, outputs: list[np.ndarray], row: Row) -> np.ndarray:
        return 1 / (1 + np.exp(-outputs[0].astype(np.float64)))

    def compare(self, line: dict[str, Any], answer: np.ndarray) -> tuple[float, bool]:
        golden = self._golden(line)
        same = ((golden >= THRESHOLD) == (answer >= THRESHOLD)).all()
        return float(np.abs(golden - answer).max()), bool(same)


@dataclass(frozen=True)
class Entities:
    """Answers are lists of entities, in the order of the text."""

    labels: list[str]
    aggregation: str

    def read(self, outputs: list[np.ndarray], row: Row) -> list[Entity]:
        scores = softmax(outputs[0])
        rows = [i for i, added in enumerate(row.special_tokens_mask) if not added]
        if self.aggregation in ("none", "simple"):
            words = [[i] for i in rows]
        else:
            words = self._words(rows, row)
        found = [self._entity(word, scores, row) for word in words]
        if self.aggregation != "none":
            found = self._join(found)
        return [entity for entity in found if entity.label != NO_ENTITY]

    def line(self, answer: list[Entity]) -> dict[str, Any]:
        return {
            "entities": [
                {"label": e.label, "score": round(e.score, 6), "start": e.start, "end": e.end}
                for e in answer
            ]
        }

    def compare(self, line: dict[str, Any], answer: list[Entity]) -> tuple[float, bool]:
        golden = {(e["label"], e["start"], e["end"]): e["score"] for e in line["entities"]}
        found = {entity.span: entity.score for entity in answer}
        both = golden.keys() & found.keys()
        apart = max((abs(golden[span] - found[span]) for span in both), default=0.0)
        return apart, golden.keys() == found.keys()

    def _words(self, rows: list[int], row: Row) -> list[list[int]]:
        """Tokens of the same word, and of the same text, side by side."""
        words: list[list[int]] = []
        last = None
        for i in rows:
            word = row.sequence_ids[i], row.word_ids[i]
            if word == last and word[1] is not None:
                words[-1].append(i)
            else:
                words.append([i])
            last = word
        return words

    def _entity(self, word: list[int], scores: np.ndarray, row: Row) -> Entity:
        """A word as one token, with its full label."""
        if self.aggregation == "average":
            chosen = scores[word].mean(axis=0)
        elif self.aggregation == "max":
            chosen = scores[max(word, key=lambda i: scores[i].max())]
        else:
            chosen = scores[word[0]]
        best = int(chosen.argmax())
        start, end = row.offsets[word[0]][0], row.offsets[word[-1]][1]
        return Entity(self.labels[best], float(chosen[best]), start, end)

    def _join(self, tokens: list[Entity]) -> list[Entity]:
        groups: list[list[Entity]] = []
        for token in tokens:
            begins, kind = split_label(token.label)
            if groups and not begins and split_label(groups[-1][-1].label)[1] == kind:
                groups[-1].append(token)
            else:
                groups.append([token])
        return [
            Entity(
                # transformers names the group without what stands before the first hyphen.
                group[0].label.split("-", 1)[-1],
                float(np.mean([token.score for token in group])),
                group[0].start,
                group[-1].end,
            )
            for group in groups
        ]


def split_label(label: str) -> tuple[bool, str]:
    """Whether a label begins an entity, and of which kind."""
    if label.startswith(("B-", "I-")):
        return label[0] == "B", label[2:]
    return False, label


@dataclass(frozen=True)
class Answers:
    """Answers are spans of the context, widened to whole words where `align_to_words` is set."""

    align_to_words: bool = False

    def read(self, outputs: list[np.ndarray], row: Row) -> Answer:
        inside = [
            i
            for i, added in enumerate(row.special_tokens_mask)
            if not added and row.sequence_ids[i] == 1
        ]
        if not inside:
            return Answer(0, 0, 0.0)
        # The first token stands for no answer and takes its share of the probability.
        start, end = (softmax(logits[[0, *inside]])[1:] for logits in outputs)
        products = np.triu(start[:, None] * end[None, :])
        products = np.tril(products, LONGEST_ANSWER - 1)
        best = int(products.argmax())
        first, last = (inside[i] for i in divmod(best, len(inside)))
        if self.align_to_words:
            # Within the window, as the pipeline does.
            first = next(i for i in inside if row.word_ids[i] == row.word_ids[first])
            last = max(i for i in inside if row.word_ids[i] == row.word_ids[last])
        return Answer(row.offsets[first][0], row.offsets[last][1], float(products.flat[best]))

    def line(self, answer: Answer) -> dict[str, Any]:
        score = round(answer.score, 6)
        return {"answer": {"start": answer.start, "end": answer.end, "score": score}}

    def compare(self, line: dict[str, Any], answer: Answer) -> tuple[float, bool]:
        golden = line["answer"]
        same = (golden["start"], golden["end"]) == (answer.start, answer.end)
        return abs(golden["score"] - answer.score) if same else 0.0, same


def best(answers: list[Any]) -> Any:
    """The answer to a text, which may have several windows: the first with the highest score."""
    return answers[0] if len(answers) == 1 else max(answers, key=lambda answer: answer.score)


class Embeddings:
    """Answers are vectors (width)."""

    def read(self, outputs: list[np.ndarray], row: Row) -> np.ndarray:
        return outputs[0]

    def line(self, answer: np.ndarray) -> dict[str, Any]:
        return {"embedding": [round(value, 6) for value in answer.tolist()]}

    def compare(self, line: dict[str, Any], answer: np.ndarray) -> tuple[float, bool]:
        return float(np.abs(np.array(line["embedding"]) - answer).max()), True


def softmax(logits: np.ndarray) -> np.ndarray:
    """Over the last axis, in float64."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)
