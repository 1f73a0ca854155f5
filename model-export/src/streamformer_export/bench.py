"""Bundles beside other engines, in turns, on the same weights, token ids and batches."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from streamformer_export import answers, opponents
from streamformer_export.bundle import Bundle
from streamformer_export.datasets import DataSet
from streamformer_export.errors import ExportError
from streamformer_export.evaluate import MEASURES, bleu
from streamformer_export.opponents import Engine, Rows, Search
from streamformer_export.profile import profile


@dataclass(frozen=True)
class Settings:
    """What is compared.

    `batches` are rows per call, `beams` those of a generating bundle; `rounds` turns of each engine
    give the medians. With `new_tokens` every answer has that many tokens, so that engines do equal
    work where they do not agree.
    """

    batches: tuple[int, ...]
    beams: tuple[int, ...]
    rounds: int
    threads: int
    new_tokens: int | None = None

    def searches(self, bundle: Bundle) -> list[Search | None]:
        """The settings of a search, or a None for an encoder."""
        if not bundle.generates:
            return [None]
        return [Search(beams, self.new_tokens) for beams in self.beams]


HEADER = f"{'batch':>5} {'beams':>5} {'texts/s':>9} {'tokens/s':>9} {'same':>7}  engine"


@dataclass(frozen=True)
class Measured:
    """One engine in one setting: medians over the rounds.

    `ratios` are the speed of a variant over that of each other engine. `same_tokens` is the share
    of a generated answer's tokens that stand in the fp32 variant's too, at the same place.
    """

    engine: str
    batch: int
    beams: int | None
    texts_per_second: float
    tokens_per_second: float | None
    ratios: dict[str, float]
    same_tokens: float | None
    figures: dict[str, Any]

    def json(self) -> str:
        return json.dumps({key: value for key, value in vars(self).items() if value is not None})

    def line(self) -> str:
        """As a row of the table below HEADER."""
        tokens = "" if self.tokens_per_second is None else f"{self.tokens_per_second:,.0f}"
        same = "" if self.same_tokens is None else f"{self.same_tokens:.1%}"
        line = (
            f"{self.batch:>5} {self.beams or '':>5} {self.texts_per_second:>9,.1f} {tokens:>9} "
            f"{same:>7}  {self.engine}"
        )
        told = [f"{ratio:.2f} x {name}" for name, ratio in self.ratios.items()]
        told += [f"{name} {value}" for name, value in self.figures.items()]
        return f"{line}: {', '.join(told)}" if told else line


def bench(
    bundle: Bundle, weights: Path | None, data: DataSet, settings: Settings
) -> Iterator[Measured]:
    """Compares the bundle's variants with the other engines that can run `weights` here.

    Every engine gets rows of token ids, sorted by length and cut into batches beforehand, and
    `settings.threads` threads. The engines take turns, so that a busy minute concerns all of them.
    """
    if bundle.manifest.get("aggregation") == answers.Aggregation.NONE:
        raise ExportError(
            "Entities are compared: this bundle's aggregation is none. "
            "Export it with another --aggregation."
        )
    with engines(bundle, weights, settings.threads) as found:
        yield from compare(found, bundle, data, settings)


@contextmanager
def engines(bundle: Bundle, weights: Path | None, threads: int) -> Iterator[list[Engine]]:
    """The bundle's variants and the other engines that can run `weights` here."""
    with tempfile.TemporaryDirectory() as scratch:
        others = list(opponents.others(bundle, weights, Path(scratch), threads))
        if not others:
            raise ExportError(
                "A comparison has an opponent: none is installed that runs this family. "
                "Install streamformer-export[train,bench], and give --weights; Marian students "
                "have benchmarks/students.py."
            )
        yield [*opponents.variants(bundle, threads), *others]


def compare(
    found: list[Engine], bundle: Bundle, data: DataSet, settings: Settings
) -> Iterator[Measured]:
    """Measures the engines in every setting."""
    rows, order = sorted_rows(bundle, data)
    for search in settings.searches(bundle):
        for batch in settings.batches:
            turns = _turns(found, cut(rows, batch), search, settings.rounds)
            yield from _measured(found, bundle, data, rows, order, batch, search, turns)


def profiles(bundle: Bundle, variant: str, data: DataSet, settings: Settings) -> Iterator[str]:
    """Lines of a table of what each operator of a variant costs, for each setting."""
    rows, _ = sorted_rows(bundle, data)
    for search in settings.searches(bundle):
        for batch in settings.batches:
            beams = f", {search.beams} beams" if search else ""
            yield f"{variant}, {len(rows)} texts in batches of {batch}{beams}"
            yield f"{'ms':>9} {'share':>6} {'calls':>8}  operator"
            for cost in profile(bundle, variant, cut(rows, batch), search, settings.threads):
                yield (
                    f"{cost.milliseconds:>9,.1f} {cost.share:>6.1%} {cost.calls:>8,}  "
                    f"{cost.operator}"
                )


def sorted_rows(bundle: Bundle, data: DataSet) -> tuple[Rows, list[int]]:
    """The texts' tokens by rising length, and the number of each text."""
    rows = [bundle.encode(*text) for text in data.inputs(bundle)]
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    return [rows[i] for i in order], order


def cut(rows: Rows, batch: int) -> list[Rows]:
    return [rows[start : start + batch] for start in range(0, len(rows), batch)]


@dataclass
class _Turns:
    """What an engine did: seconds of each round, and the answers of the last."""

    seconds: list[float]
    answers: list[Any]


def _turns(
    engines: Sequence[Engine], batches: list[Rows], search: Search | None, rounds: int
) -> dict[str, _Turns]:
    found = {engine.name: _Turns([], []) for engine in engines}
    turns = [(turn, engine) for turn in range(rounds + 1) for engine in engines]
    for turn, engine in tqdm(turns, desc=f"batch {len(batches[0])}", unit="turn", leave=False):
        begin = time.perf_counter()
        some = [answer for batch in batches for answer in engine.run(batch, search)]
        if turn:  # the first turn warms up
            found[engine.name].seconds.append(time.perf_counter() - begin)
        found[engine.name].answers = some
    return found


def _measured(
    engines: Sequence[Engine],
    bundle: Bundle,
    data: DataSet,
    rows: Rows,
    order: list[int],
    batch: int,
    search: Search | None,
    found: dict[str, _Turns],
) -> Iterator[Measured]:
    exact = next((e for e in engines if e.variant == "fp32"), engines[0])
    for engine in engines:
        own = found[engine.name]
        seconds = statistics.median(own.seconds)
        ratios = {}
        for other in engines:
            if engine.variant and not other.variant:
                # A round's own ratio: a noisy minute concerns both sides.
                pairs = zip(found[other.name].seconds, own.seconds, strict=True)
                ratios[other.name] = round(statistics.median(b / a for b, a in pairs), 2)
        tokens = sum(map(len, own.answers)) if bundle.generates else None
        yield Measured(
            engine=engine.name,
            batch=batch,
            beams=search.beams if search else None,
            texts_per_second=round(len(rows) / seconds, 1),
            tokens_per_second=round(tokens / seconds, 1) if tokens is not None else None,
            ratios=ratios,
            same_tokens=(
                round(_same_tokens(own.answers, found[exact.name].answers), 4)
                if bundle.generates
                else None
            ),
            figures=_figures(bundle, data, rows, order, own.answers),
        )


def _same_tokens(found: list[list[int]], exact: list[list[int]]) -> float:
    pairs = list(zip(found, exact, strict=True))
    same = sum(a == b for one, other in pairs for a, b in zip(one, other, strict=False))
    return same / max(sum(max(len(one), len(other)) for one, other in pairs), 1)


def _figures(
    bundle: Bundle, data: DataSet, rows: Rows, order: list[int], found: list[Any]
) -> dict[str, Any]:
    """What `evaluate` measures for the bundle's task; none for texts without references."""
    if bundle.generates and not data.references:
        return {}
    in_order: list[Any] = [None] * len(order)
    reader = None if bundle.generates else answers.reader(bundle.manifest)
    for place, row, answer in zip(order, rows, found, strict=True):
        in_order[place] = reader.read(answer, row) if reader else bundle.text(answer)
    if bundle.generates:
        scores = bleu(in_order, data, data.name)
        return {name: value for name, value in scores.items() if not isinstance(value, str)}
    # Only a text classifier has a problem type.
    kind = bundle.manifest.get("problem_type", bundle.manifest["task"])
    values = MEASURES[kind](in_order, data, bundle)
    return {name: round(value, 4) for name, value in values.items()}
