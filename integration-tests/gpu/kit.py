"""What the checks share: the unpacked kit, sessions on the device, and how a figure is told."""

from __future__ import annotations

import csv
import json
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
from streamformer_export.bundle import Bundle, Runner

DEFAULT = ("sentiment-en", "translation-en-fr")
# Every attention kernel but cuDNN's (8): that one is planned anew for each shape, and in a decode
# loop every step has another.
SDPA_KERNELS = "119"


class Kit:
    def __init__(self, folder: Path, device: str, short: bool) -> None:
        self.folder, self.device, self.short = folder, device, short

    def bundle(self, name: str) -> Bundle:
        folder = self.folder / "bundles" / name
        # The hashes were checked when the kit was unpacked.
        return Bundle(folder, json.loads((folder / "manifest.json").read_text(encoding="utf-8")))

    def bundles(self) -> list[Bundle]:
        tiny = sorted(path.name for path in (self.folder / "bundles").glob("tiny-*"))
        return [self.bundle(name) for name in (*DEFAULT, *tiny)]

    def runner(
        self, bundle: Bundle, variant: str, tf32: int = 1, sdpa: str = SDPA_KERNELS, **more: Any
    ) -> Runner:
        more = {"threads": 1 if self.short else None, **more}
        return Runner(bundle, variant, providers=self.providers(tf32, sdpa_kernel=sdpa), **more)

    def providers(self, tf32: int = 1, **options: str) -> list[Any]:
        if self.device == "cpu":
            return ["CPUExecutionProvider"]
        # As the operator opens its sessions.
        settings = {
            "arena_extend_strategy": "kSameAsRequested",
            "sdpa_kernel": SDPA_KERNELS,
            "use_tf32": str(tf32),
            **options,
        }
        return [("CUDAExecutionProvider", settings), "CPUExecutionProvider"]

    def sst2(self) -> tuple[list[str], list[int]]:
        with (self.folder / "texts/sst2.tsv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))[1:]
        if self.short:
            rows = rows[:64]
        return [row[1] for row in rows], [int(row[0]) for row in rows]

    def captions(self, language: str = "en") -> list[str]:
        path = self.folder / f"texts/captions.{language}"
        lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
        return lines[:64] if self.short else lines


def emit(check: str, **figures: Any) -> None:
    rounded = {
        k: float(f"{v:.6g}") if isinstance(v, float | np.floating) else v
        for k, v in figures.items()
    }
    print(json.dumps({"check": check, **rounded}, default=str), flush=True)


def median_time(run: Any, seconds: float, wait: Any = None, least: int = 5) -> float:
    """Median seconds of a call, after warm-up."""
    times: list[float] = []
    for _ in range(3):
        run()
    if wait:
        wait()
    end = time.perf_counter() + seconds
    while len(times) < least or time.perf_counter() < end:
        begin = time.perf_counter()
        run()
        if wait:
            wait()
        times.append(time.perf_counter() - begin)
        if time.perf_counter() > end + 4 * seconds:
            break
    return statistics.median(times)


def run_batch(runner: Runner, readings: list[Any], beams: int | None) -> list[np.ndarray]:
    return runner.run([list(r.ids) for r in readings], num_beams=beams)
