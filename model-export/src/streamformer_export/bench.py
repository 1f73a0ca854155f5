"""Bundles beside other engines, in turns, on the same weights, token ids and batches."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from streamformer_export import opponents
from streamformer_export.bundle import Bundle
from streamformer_export.datasets import DataSet
from streamformer_export.errors import ExportError
from streamformer_export.evaluate import accuracy, bleu
from streamformer_export.opponents import Engine


@dataclass(frozen=True)
class Settings:
    """What is compared.

    `batches` are rows per call, `beams` those of a generating bundle; `rounds` turns of each engine
    give the medians.
    """

    batches: tuple[int, ...]
    beams: tuple[int, ...]
    rounds: int
    threads: int


@dataclass(frozen=True)
class Measured:
    """One engine in one setting: medians over the rounds; `ratio` is the first engine's speed
    over this one's."""

    engine: str
    batch: int
    beams: int | None
    texts_per_second: float
    ratio: float
    figures: dict[str, Any]

    def json(self) -> str:
        return json.dumps({key: value for key, value in vars(self).items() if value is not None})


def bench(
    bundle: Bundle, weights: Path | None, data: DataSet, settings: Settings
) -> Iterator[Measured]:
    """Compares the bundle's variants with the other engines that can run `weights` here.

    Every engine gets rows of token ids, sorted by length and cut into batches beforehand, and
    `settings.threads` threads. The engines take turns, so that a busy minute concerns all of them.
    The figures of each are computed from its own answers: a fast engine that answers otherwise is
    no opponent.
    """
    encodings = [bundle.encode(text) for text in data.texts]
    order = sorted(range(len(encodings)), key=lambda i: len(encodings[i]))
    rows = [encodings[i].ids for i in order]
    with tempfile.TemporaryDirectory() as scratch:
        engines = [
            *opponents.variants(bundle, settings.threads),
            *opponents.others(bundle, weights, Path(scratch), settings.threads),
        ]
        if len(engines) < 2:
            raise ExportError(
                "A comparison has an opponent: none is installed that runs this family. "
                "Install streamformer-export[bench], and give --weights."
            )
        for beams in settings.beams if bundle.generates else (None,):
            for batch in settings.batches:
                batches = [rows[start : start + batch] for start in range(0, len(rows), batch)]
                yield from _compare(
                    engines, bundle, data, order, batches, batch, beams, settings.rounds
                )


def _compare(
    engines: list[Engine],
    bundle: Bundle,
    data: DataSet,
    order: list[int],
    batches: list[list[list[int]]],
    batch: int,
    beams: int | None,
    rounds: int,
) -> Iterator[Measured]:
    seconds: dict[str, list[float]] = {engine.name: [] for engine in engines}
    answers: dict[str, list[Any]] = {}
    turns = [(turn, engine) for turn in range(rounds + 1) for engine in engines]
    for turn, engine in tqdm(turns, desc=f"batch {batch}", unit="turn", leave=False):
        begin = time.perf_counter()
        found = [answer for some in batches for answer in engine.run(some, beams)]
        if turn:  # the first turn warms up
            seconds[engine.name].append(time.perf_counter() - begin)
        answers[engine.name] = found
    first = seconds[engines[0].name]
    for engine in engines:
        own = seconds[engine.name]
        in_order: list[Any] = [None] * len(order)
        for place, answer in zip(order, answers[engine.name], strict=True):
            in_order[place] = answer
        yield Measured(
            engine=engine.name,
            batch=batch,
            beams=beams,
            texts_per_second=round(len(order) / statistics.median(own), 1),
            # A round's own ratio: a noisy minute concerns both sides.
            ratio=round(statistics.median(b / a for a, b in zip(first, own, strict=True)), 2),
            figures=_figures(bundle, data, in_order),
        )


def _figures(bundle: Bundle, data: DataSet, answers: list[Any]) -> dict[str, Any]:
    if not bundle.generates:
        return {name: round(value, 4) for name, value in accuracy(answers, data, bundle).items()}
    found = bleu([bundle.text(answer) for answer in answers], data, data.name)
    return {name: value for name, value in found.items() if name != "sacreBLEU signature"}
