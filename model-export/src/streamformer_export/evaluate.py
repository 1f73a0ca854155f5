"""Evaluation through ONNX Runtime: each task by the figures that its field knows."""

from __future__ import annotations

import re
import string
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from tqdm import tqdm

from streamformer_export import card
from streamformer_export.answers import THRESHOLD
from streamformer_export.bundle import CARD, Bundle, Runner, write_manifest
from streamformer_export.datasets import DataSet
from streamformer_export.errors import ExportError
from streamformer_export.families import Task
from streamformer_export.translation_scores import translation_scores


@dataclass(frozen=True)
class Result:
    """Figures of one variant on one data set, by the names that the manifest gets."""

    variant: str
    figures: dict[str, float | str]
    seconds: float
    texts: int


def evaluate(
    bundle: Bundle,
    data: DataSet,
    variant: str,
    *,
    num_beams: int | None = None,
    batch: int = 32,
    threads: int | None = None,
) -> Result:
    """Runs the texts in batches of similar length and compares the answers."""
    if bundle.manifest.get("aggregation") == "none":
        raise ExportError(
            "Entities are compared: this bundle's aggregation is none. "
            "Export it with another --aggregation."
        )
    runner = Runner(bundle, variant, threads)

    def progress(starts: range) -> tqdm:
        return tqdm(starts, desc=f"{variant} {data.name}", unit="batch")

    if bundle.generates:
        beams = num_beams or bundle.manifest["decoding"]["num_beams"]
        rows = [bundle.ids(text) for text in data.texts]
        begin = time.perf_counter()
        answers = runner.answers(rows, batch, beams, progress)
        seconds = time.perf_counter() - begin
        translations = [bundle.text(answer) for answer in answers]
        measure = rouge if bundle.manifest["task"] == Task.SUMMARIZATION else bleu
        figures = measure(translations, data, f"{data.name}, beam {beams}")
        return Result(variant, figures, seconds, len(rows))
    texts = data.inputs(bundle)
    readings = [bundle.readings(*text) for text in texts]
    begin = time.perf_counter()
    answers = runner.read_texts(readings, batch, progress)
    seconds = time.perf_counter() - begin
    found = MEASURES[_kind(bundle)](answers, data, bundle)
    figures = {f"{name} ({data.name})": round(value, 4) for name, value in found.items()}
    return Result(variant, figures, seconds, len(texts))


def _kind(bundle: Bundle) -> str:
    """The task, or what a text classifier's logits mean."""
    task = bundle.manifest["task"]
    return bundle.manifest.get("problem_type", task) if task == Task.TEXT_CLASSIFICATION else task


def accuracy(answers: list[np.ndarray], data: DataSet, bundle: Bundle) -> dict[str, float]:
    """The share of texts whose most probable label is the expected one."""
    right = sum(int(a.argmax()) == b for a, b in zip(answers, data.expected, strict=True))
    return {"accuracy": right / len(answers)}


def label_f1(answers: list[np.ndarray], data: DataSet, bundle: Bundle) -> dict[str, float]:
    """F1 over all decisions (micro), and the mean of the labels' own (macro)."""
    labels = bundle.manifest["labels"]
    found = np.array(answers) >= THRESHOLD
    wanted = np.array([[label in expected for label in labels] for expected in data.expected])
    hits, all_found, all_wanted = (found & wanted).sum(0), found.sum(0), wanted.sum(0)
    each = [_f1(*counts) for counts in zip(hits, all_found, all_wanted, strict=True)]
    micro = _f1(hits.sum(), all_found.sum(), all_wanted.sum())
    return {"F1 micro": micro, "F1 macro": float(np.mean(each))}


def correlation(answers: list[np.ndarray], data: DataSet, bundle: Bundle) -> dict[str, float]:
    """Pearson's and Spearman's, of all values."""
    return _correlations(np.array(answers).ravel(), np.array(data.expected).ravel())


def similarity(answers: list[np.ndarray], data: DataSet, bundle: Bundle) -> dict[str, float]:
    """Correlations of the pairs' cosines with the expected similarities."""
    vectors = np.array(answers, np.float64)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    firsts, seconds = vectors[0::2], vectors[1::2]
    found = _correlations((firsts * seconds).sum(axis=1), np.array(data.expected))
    return {f"cosine {name}": value for name, value in found.items()}


def entity_f1(answers: list[Any], data: DataSet, bundle: Bundle) -> dict[str, float]:
    """Precision, recall and F1 of entities; one is right with its label and both its ends.

    Over all entities, as conlleval and seqeval count them.
    """
    hits = found = wanted = 0
    for entities, expected in zip(answers, data.expected, strict=True):
        spans = {entity.span for entity in entities}
        hits += len(spans & set(expected))
        found, wanted = found + len(spans), wanted + len(set(expected))
    return {
        "entity precision": hits / max(found, 1),
        "entity recall": hits / max(wanted, 1),
        "entity F1": _f1(hits, found, wanted),
    }


def answer_f1(answers: list[Any], data: DataSet, bundle: Bundle) -> dict[str, float]:
    """Exact match and F1 of words, as SQuAD counts them (Rajpurkar et al. 2016)."""
    exact = total = 0.0
    for answer, context, accepted in zip(answers, data.pairs, data.expected, strict=True):
        assert context is not None
        words = answer_words(context[answer.start : answer.end])
        references = [answer_words(text) for text in accepted]
        exact += max(words == reference for reference in references)
        total += max(_overlap(words, reference) for reference in references)
    return {"exact match": exact / len(answers), "F1": total / len(answers)}


def answer_words(text: str) -> list[str]:
    """Words of an answer in lower case, without punctuation and articles."""
    kept = "".join(c for c in text.lower() if c not in string.punctuation)
    return re.sub(r"\b(a|an|the)\b", " ", kept).split()


def _overlap(words: list[str], reference: list[str]) -> float:
    if not words or not reference:
        return float(words == reference)
    same = sum((Counter(words) & Counter(reference)).values())
    return _f1(same, len(words), len(reference))


def _f1(hits: float, found: float, wanted: float) -> float:
    """Harmonic mean of precision and recall; 0 where there is neither."""
    return float(2 * hits / (found + wanted)) if found + wanted else 0.0


def _correlations(found: np.ndarray, wanted: np.ndarray) -> dict[str, float]:
    if len(found) < 2 or found.std() == 0 or wanted.std() == 0:
        raise ExportError(
            "A correlation needs values that differ: all are equal. Give another data set."
        )
    return {
        "Pearson": float(np.corrcoef(found, wanted)[0, 1]),
        "Spearman": float(np.corrcoef(_ranks(found), _ranks(wanted))[0, 1]),
    }


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1; equal values have the mean of theirs."""
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[which]


MEASURES: dict[str, Callable[[list[Any], DataSet, Bundle], dict[str, float]]] = {
    Task.TEXT_CLASSIFICATION: accuracy,
    "single_label_classification": accuracy,
    "multi_label_classification": label_f1,
    "regression": correlation,
    Task.TOKEN_CLASSIFICATION: entity_f1,
    Task.QUESTION_ANSWERING: answer_f1,
    Task.FEATURE_EXTRACTION: similarity,
}


def bleu(translations: list[str], data: DataSet, setting: str) -> dict[str, float | str]:
    """sacreBLEU (Post 2018) and chrF (Popovic 2015) on the first reference, and BLEU on all
    where a text has several."""
    from sacrebleu.metrics import BLEU

    columns = [[texts[0] for texts in data.references]]
    found = translation_scores(translations, columns[0])
    figures: dict[str, float | str] = {
        f"BLEU ({setting})": round(found.bleu, 2),
        f"chrF ({setting})": round(found.chrf, 2),
    }
    most = max(map(len, data.references))
    if most > 1:
        # sacreBLEU takes None where a text has fewer references than others.
        columns = [
            [texts[i] if i < len(texts) else None for texts in data.references] for i in range(most)
        ]
        score = BLEU().corpus_score(translations, columns)
        figures[f"BLEU, all references ({setting})"] = round(score.score, 2)
    figures["sacreBLEU signature"] = found.bleu_signature
    figures["chrF signature"] = found.chrf_signature
    if found.note:
        figures[f"note ({setting})"] = found.note
    return figures


def rouge(summaries: list[str], data: DataSet, setting: str) -> dict[str, float | str]:
    """ROUGE-1, -2 and -L (Lin 2004): F1 of stemmed words, pairs of words and longest common
    sequences, in percent; of several references that with the best F1 counts."""
    try:
        from rouge_score.rouge_scorer import RougeScorer
    except ModuleNotFoundError:
        raise ExportError(
            "Summaries are measured by ROUGE: rouge-score is not installed. "
            "Run: pip install 'streamformer-export[rouge]'"
        ) from None
    kinds = {"rouge1": "ROUGE-1", "rouge2": "ROUGE-2", "rougeL": "ROUGE-L"}
    scorer = RougeScorer(list(kinds), use_stemmer=True)
    scores = [
        scorer.score_multi(references, summary)
        for references, summary in zip(data.references, summaries, strict=True)
    ]
    return {
        f"{name} ({setting})": round(100 * float(np.mean([s[kind].fmeasure for s in scores])), 2)
        for kind, name in kinds.items()
    }


def loss(result: Result, exact: Result) -> Result:
    """How far the figures of a variant are from those of another on the same data."""
    apart = {
        f"{name}, minus {exact.variant}": round(value - exact.figures[name], 4)
        for name, value in result.figures.items()
        if not isinstance(value, str)
    }
    return replace(result, figures=apart)


def record(manifest: dict[str, Any], result: Result) -> None:
    """Adds the figures to the manifest's variant."""
    manifest["variants"][result.variant].setdefault("evaluation", {}).update(result.figures)


def write(bundle: Bundle, results: list[Result]) -> None:
    """Adds the figures to the manifest and writes the card anew."""
    manifest = bundle.manifest
    for result in results:
        record(manifest, result)
    path = bundle.folder / CARD
    path.write_text(card.write(manifest, card.tail(path)), encoding="utf-8")
    write_manifest(bundle.folder, manifest)
