"""Streamformer end to end beside Apache Beam's RunInference and CTranslate2, in turns."""

from __future__ import annotations

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import sacrebleu
import typer
from streamformer_export.bundle import Bundle, Runner
from tqdm import tqdm

import ours
import texts as sources
from turn import HERE, Turn, TurnError, read_lines, run

MODELS = ours.HOME / "model-export"
TARGET = HERE / "target"
# A translator that is further than this from ours in BLEU is no opponent.
BLEU_TOLERANCE = 1.0
PACKAGES = ("apache-beam", "ctranslate2", "onnxruntime", "tokenizers", "torch", "transformers")


class Comparison(StrEnum):
    SENTIMENT = "sentiment"
    GREEDY = "greedy"
    BEAM = "beam4"


@dataclass(frozen=True)
class Size:
    """Texts of a turn, and of each trial of an opponent's settings.

    Our int8 bundles go over the texts `passes` times, in another order each time.
    """

    texts: int
    trial: int
    passes: int = 1


# Ours takes ten seconds or more: a job's first seconds belong to its start.
SHORT = {
    Comparison.SENTIMENT: Size(6_000, 2_000, passes=4),
    Comparison.GREEDY: Size(12_000, 2_000),
    Comparison.BEAM: Size(5_000, 1_000),
}
# A turn of any engine takes 20 seconds or more on two cores.
LONG = {
    Comparison.SENTIMENT: Size(20_000, 8_000, passes=4),
    Comparison.GREEDY: Size(40_000, 8_000),
    Comparison.BEAM: Size(16_000, 4_000),
}


@dataclass(frozen=True)
class Requirement:
    """`ours` is to be `wanted` times as fast as `opponent`: both are keys of a round's turns."""

    name: str
    ours: str
    opponent: str
    wanted: float


Engines = dict[str, Callable[[], Turn]]
Say = Callable[..., None]


def main(
    data: Annotated[
        Path,
        typer.Option(
            exists=True,
            file_okay=False,
            help="Folder of the data sets: sst2/{dev,train}.tsv.gz and multi30k/"
            "{test_2016_flickr.en,test_2016_flickr.fr,val.en}.gz.",
        ),
    ],
    only: Annotated[
        list[Comparison] | None, typer.Option(help="What to compare; repeatable; by default all.")
    ] = None,
    long: Annotated[
        bool, typer.Option("--long", help="Turns of 20 seconds and more, for figures to keep.")
    ] = False,
    rounds: Annotated[
        int | None, typer.Option(min=1, help="Turns of each engine; by default 1, with --long 3.")
    ] = None,
    texts: Annotated[
        int | None, typer.Option(min=500, help="Texts of a turn, in place of the form's.")
    ] = None,
    cores: Annotated[
        str | None, typer.Option(help="The two cores to use: 0,1; by default the first two.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write the JSON lines to this file.")
    ] = None,
) -> None:
    """Compares Streamformer end to end (Kafka, Flink, Kafka, committed) with what would be taken
    instead, on the same texts and the same two cores.

    sentiment: Apache Beam RunInference on the fp32 graph. greedy, beam4: CTranslate2 int8 alone.
    The engines take turns; a turn is a process of its own; medians of the rounds' own ratios count.
    Opponents first try their settings on a part of the texts and keep the fastest. Standard output
    is JSON lines; progress and a table of the requirements go to standard error.
    """
    pinned = _pin(cores)
    TARGET.mkdir(exist_ok=True)
    with (json_file or Path(os.devnull)).open("w", encoding="utf-8") as file:

        def say(kind: str, **content: Any) -> None:
            line = json.dumps({"kind": kind, **content}, ensure_ascii=False)
            print(line, flush=True)
            print(line, file=file, flush=True)

        sizes = LONG if long else SHORT
        turns = rounds or (3 if long else 1)
        say("setting", **_setting(pinned), form="long" if long else "short", rounds=turns)
        seen = []
        try:
            for comparison in only or list(Comparison):
                size = sizes[comparison]
                if texts:
                    size = replace(size, texts=texts, trial=min(texts, size.trial))
                say("texts", comparison=comparison, **asdict(size))
                if comparison is Comparison.SENTIMENT:
                    engines, wanted = _sentiment(data, size, say)
                else:
                    beams = 1 if comparison is Comparison.GREEDY else 4
                    engines, wanted = _translation(data, size, beams, say)
                seen += list(_take_turns(comparison, engines, wanted, turns, say))
        except TurnError as e:
            raise SystemExit(f"compare.py: {e}") from e
        _table(seen)


def _sentiment(data: Path, size: Size, say: Say) -> tuple[Engines, list[Requirement]]:
    """Beam on the fp32 graph, ours on the same graph, and ours on the int8 bundle."""
    fp32 = TARGET / "sentiment-en-fp32"
    shutil.rmtree(fp32, ignore_errors=True)
    _export(MODELS / "weights" / "sentiment-en", fp32, "fp32")
    int8 = MODELS / "bundles" / "sentiment-en"
    labels = sources.sentences(data)
    texts = sources.sample(list(labels), size.texts)
    file = sources.write(TARGET / "sentiment.txt", texts)
    trial = sources.write(TARGET / "sentiment-trial.txt", texts[: size.trial])
    answers = TARGET / "beam-answers.tsv"

    def beam(path: Path, mode: str, threads: int) -> Turn:
        script = "beam_runinference.py"
        turn = run(script, fp32, path, answers, "--mode", mode, "--threads", threads)
        found = [line.split("\t", 2) for line in read_lines(answers)]
        right = sum(label == ("negative", "positive")[int(labels[t])] for label, _, t in found)
        turn.figures["accuracy"] = round(right / len(found), 4)
        return turn

    settings = [(m, n) for m in ("multi_processing", "multi_threading") for n in (1, 2)]
    chosen = _fastest([lambda s=s: beam(trial, *s) for s in settings], say)
    mode, threads = settings[chosen]
    return {
        "beam": lambda: beam(file, mode, threads),
        "fp32": lambda: ours.turn("sentiment", fp32, file, size.texts, TARGET),
        "int8": lambda: ours.turn("sentiment", int8, file, size.passes * size.texts, TARGET),
    }, [
        Requirement("same fp32 graph as Apache Beam RunInference", "fp32", "beam", 2.3),
        Requirement("int8 bundle, Apache Beam RunInference on fp32", "int8", "beam", 5.0),
    ]


def _translation(data: Path, size: Size, beams: int, say: Say) -> tuple[Engines, list[Requirement]]:
    """CTranslate2 int8, once its translations are as good as ours, and our int8 bundle."""
    weights = MODELS / "weights" / "translation-en-fr"
    bundle = MODELS / "bundles" / "translation-en-fr"
    model = TARGET / "translation-en-fr-ctranslate2"
    texts = sources.sample(sources.captions(data), size.texts)
    file = sources.write(TARGET / "captions.txt", texts)
    trial = sources.write(TARGET / "captions-trial.txt", texts[: size.trial])

    def ctranslate2(path: Path, *options: object) -> Turn:
        return run("ctranslate2_alone.py", model, weights, path, "--beams", beams, *options)

    english, french = sources.test_captions(data)
    source = sources.write(TARGET / "test2016.en.txt", english)
    target = sources.write(TARGET / "test2016.fr.txt", french)
    own = _own_bleu(bundle, english, french, beams)
    for stock in (True, False):
        kind = ("--convert", "--stock") if stock else ("--convert",)
        turn = ctranslate2(source, *kind, "--references", target, "--workers", 2)
        theirs = turn.figures["bleu"]
        say("bleu", beams=beams, ours=own, ctranslate2=theirs, stock_converter=stock)
    if abs(own - theirs) > BLEU_TOLERANCE:
        raise TurnError(
            f"An opponent translates as well as we do, within {BLEU_TOLERANCE} BLEU: seen {theirs} "
            f"beside {own}. Look for what its conversion lost before timing it."
        )

    workers = [("--workers", 1, "--threads", 2), ("--workers", 2, "--threads", 1)]
    best = workers[_fastest([lambda w=w: ctranslate2(trial, *w) for w in workers], say)]
    batches = [("examples", 16), ("examples", 32), ("examples", 64), ("tokens", 1024)]
    options = [(*best, "--batch-type", kind, "--batch", n) for kind, n in batches]
    chosen = options[_fastest([lambda o=o: ctranslate2(trial, *o) for o in options], say)]
    name = "greedy" if beams == 1 else f"{beams} beams"
    return {
        "ctranslate2": lambda: ctranslate2(file, *chosen),
        "int8": lambda: ours.turn("translation", bundle, file, size.texts, TARGET, beams),
    }, [Requirement(f"CTranslate2 int8 alone, {name}", "int8", "ctranslate2", 1.15)]


def _own_bleu(bundle: Path, english: list[str], french: list[str], beams: int) -> float:
    """BLEU of the bundle's default variant, in Python: the graph's answers are the operator's."""
    read = Bundle.read(bundle)
    runner = Runner(read, read.manifest["default_variant"], threads=2)
    found = runner.answers([read.ids(text) for text in english], num_beams=beams)
    return round(sacrebleu.corpus_bleu([read.text(ids) for ids in found], [french]).score, 2)


def _fastest(trials: list[Callable[[], Turn]], say: Say) -> int:
    """The number of the fastest trial."""
    speeds = []
    for trial in tqdm(trials, desc="settings of the opponent", unit="trial", leave=False):
        turn = trial()
        say("trial", **json.loads(turn.json()))
        speeds.append(turn.texts_per_second)
    return speeds.index(max(speeds))


def _take_turns(
    comparison: Comparison,
    engines: Engines,
    requirements: list[Requirement],
    rounds: int,
    say: Say,
) -> Iterator[tuple[Requirement, float, float, float]]:
    """Requirements with ours and the opponent's texts/s and their ratio: medians over rounds."""
    speeds: dict[str, list[float]] = {name: [] for name in engines}
    turns = [(r, name) for r in range(1, rounds + 1) for name in engines]
    for number, name in tqdm(turns, desc=str(comparison), unit="turn"):
        turn = engines[name]()
        say("turn", comparison=comparison, round=number, **json.loads(turn.json()))
        speeds[name].append(turn.texts_per_second)
    for requirement in requirements:
        pairs = zip(speeds[requirement.ours], speeds[requirement.opponent], strict=True)
        # A round's own ratio: a noisy minute concerns both sides.
        ratios = [a / b for a, b in pairs]
        result = (
            requirement,
            statistics.median(speeds[requirement.ours]),
            statistics.median(speeds[requirement.opponent]),
            statistics.median(ratios),
        )
        say(
            "requirement",
            comparison=comparison,
            name=requirement.name,
            texts_per_second=round(result[1], 1),
            opponent_texts_per_second=round(result[2], 1),
            ratio=round(result[3], 3),
            ratios=[round(ratio, 3) for ratio in ratios],
            wanted=requirement.wanted,
            met=result[3] >= requirement.wanted,
        )
        yield result


def _table(seen: list[tuple[Requirement, float, float, float]]) -> None:
    head = ("ours against", "ours/s", "theirs/s", "ratio", "wanted")
    print("| {} | {} | {} | {} | {} |".format(*head), file=sys.stderr)
    print("| --- | --- | --- | --- | --- |", file=sys.stderr)
    for requirement, own, other, ratio in seen:
        row = f"| {requirement.name} | {own:,.0f} | {other:,.0f} | {ratio:.2f} |"
        print(f"{row} ≥ {requirement.wanted} |", file=sys.stderr)


def _export(weights: Path, bundle: Path, variant: str) -> None:
    tool = Path(sys.executable).with_name("streamformer-export")
    command = [str(tool), "export", str(weights), str(bundle), "--variant", variant]
    done = subprocess.run(
        [*command, "--language", "en"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise TurnError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")


def _pin(cores: str | None) -> list[int]:
    """Keeps this process and all that it starts on two cores."""
    if not hasattr(os, "sched_setaffinity"):
        raise SystemExit("compare.py pins all engines to the same two cores: it needs Linux.")
    allowed = sorted(os.sched_getaffinity(0))
    wanted = [int(core) for core in cores.split(",")] if cores else allowed[:2]
    if len(set(wanted)) != 2 or not set(wanted) <= set(allowed):
        raise SystemExit(
            f"compare.py takes two of the cores {allowed}, seen {wanted}: see --cores."
        )
    os.sched_setaffinity(0, wanted)
    return wanted


def _setting(cores: list[int]) -> dict[str, Any]:
    """The machine and the versions, as they stand beside every result."""
    try:
        described = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next(line.split(": ")[1] for line in described if line.startswith("model name"))
    except (OSError, StopIteration):
        model = platform.processor()
    return {
        "cpu": model,
        "cores": cores,
        "load_average": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
    }


if __name__ == "__main__":
    typer.run(main)
