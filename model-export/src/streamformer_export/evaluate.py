"""Evaluation through ONNX Runtime: accuracy of a classifier, sacreBLEU of a translator."""

from __future__ import annotations

import time
from dataclasses import dataclass

from tqdm import tqdm

from streamformer_export import card
from streamformer_export.bundle import CARD, Bundle, Runner, write_manifest
from streamformer_export.datasets import DataSet


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
    runner = Runner(bundle, variant, threads)
    rows = [bundle.ids(text) for text in data.texts]
    beams = num_beams or bundle.manifest.get("decoding", {}).get("num_beams")

    def progress(starts: range) -> tqdm:
        return tqdm(starts, desc=f"{variant} {data.name}", unit="batch")

    begin = time.perf_counter()
    answers = runner.answers(rows, batch, beams, progress)
    seconds = time.perf_counter() - begin
    if bundle.generates:
        translations = [bundle.text(answer) for answer in answers]
        figures = bleu(translations, data, f"{data.name}, beam {beams}")
    else:
        right = sum(int(a.argmax()) == b for a, b in zip(answers, data.labels, strict=True))
        figures = {f"accuracy ({data.name})": round(right / len(rows), 4)}
    return Result(variant, figures, seconds, len(rows))


def bleu(translations: list[str], data: DataSet, setting: str) -> dict[str, float | str]:
    """sacreBLEU (Post 2018) on the first reference, and on all where a text has several."""
    from sacrebleu.metrics import BLEU

    first = BLEU()
    score = first.corpus_score(translations, [[texts[0] for texts in data.references]])
    figures: dict[str, float | str] = {f"BLEU ({setting})": round(score.score, 2)}
    most = max(map(len, data.references))
    if most > 1:
        # sacreBLEU takes None where a text has fewer references than others.
        columns = [
            [texts[i] if i < len(texts) else None for texts in data.references] for i in range(most)
        ]
        score = BLEU().corpus_score(translations, columns)
        figures[f"BLEU, all references ({setting})"] = round(score.score, 2)
    figures["sacreBLEU signature"] = str(first.get_signature())
    return figures


def write(bundle: Bundle, results: list[Result]) -> None:
    """Adds the figures to the manifest and writes the card anew."""
    manifest = bundle.manifest
    for result in results:
        manifest["variants"][result.variant].setdefault("evaluation", {}).update(result.figures)
    path = bundle.folder / CARD
    path.write_text(card.write(manifest, card.tail(path)), encoding="utf-8")
    write_manifest(bundle.folder, manifest)
