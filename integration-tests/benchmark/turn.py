"""A turn: what one engine did with all texts once, as the process that ran it reports it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
# The share of a turn's texts that only warm up, here as in `streamformer bench`.
WARM_UP = 0.2


@dataclass(frozen=True)
class Turn:
    """`texts` answered in `seconds`, without start-up and warm-up; `figures` are the engine's."""

    engine: str
    texts: int
    seconds: float
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def texts_per_second(self) -> float:
        return self.texts / self.seconds

    def json(self) -> str:
        return json.dumps({**asdict(self), "texts_per_second": round(self.texts_per_second, 1)})


class TurnError(Exception):
    """An engine's process failed; the message has the end of what it said."""


def report(turn: Turn) -> None:
    """Prints a turn as the last line of its process, which `run` reads."""
    print(turn.json(), flush=True)


def run(script: str, *arguments: object) -> Turn:
    """Runs a script of this folder in a process of its own, so that nothing of one engine (threads,
    memory, caches) is left for the next."""
    command = [sys.executable, str(HERE / script), *map(str, arguments)]
    # Beam's workers are processes that import the script by its name.
    environment = {**os.environ, "PYTHONPATH": str(HERE)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        raise TurnError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    found = json.loads(lines[-1])
    return Turn(found["engine"], found["texts"], found["seconds"], found["figures"])


def read_lines(path: Path) -> list[str]:
    """The texts of a file, one a line; other line separators of Unicode are part of a text."""
    return path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
