"""The output folder of a run: settings, metrics, the model, and the state to resume from."""

from __future__ import annotations

import dataclasses
import json
import platform
import shutil
from importlib import metadata
from pathlib import Path
from typing import Any

from streamformer_export.outputs import obstacle
from streamformer_export.training.data import sha256
from streamformer_export.training.errors import TrainingError

SETTINGS_FILE = "training.json"
METRICS_FILE = "metrics.jsonl"
STATE_FOLDER = "state"
PACKAGES = ("numpy", "sacrebleu", "safetensors", "tokenizers", "torch", "transformers")


class RunFolder:
    """A folder that holds one run; an existing one is refused unless forced or resumed.

    Nothing is written or replaced before `start`, so bad data costs no earlier run.
    """

    def __init__(self, path: Path, *, force: bool = False, resume: bool = False) -> None:
        self.path = path
        if force and resume:
            raise TrainingError(
                "A run starts anew or goes on: --force and --resume were both given. Drop one."
            )
        problem = obstacle(path)
        if problem:
            raise TrainingError(problem)
        occupied = path.exists() and (not path.is_dir() or any(path.iterdir()))
        has_run = (path / SETTINGS_FILE).is_file()
        if resume and not has_run:
            raise TrainingError(
                f"A resumed run has a {SETTINGS_FILE}: {path} has none. Drop --resume."
            )
        if occupied and not (force or resume):
            raise TrainingError(
                f"An existing output is kept: {path} is not empty. "
                "Give another folder, --resume to go on, or --force to replace it."
            )
        # A mistyped path must not cost anything but a run.
        if occupied and force and not has_run:
            raise TrainingError(
                f"--force replaces earlier runs only: {path} has no {SETTINGS_FILE}. "
                "Empty it yourself or give another folder."
            )
        self.resumed = resume

    @property
    def state(self) -> Path:
        """The folder of everything that only a resumed run needs."""
        folder = self.path / STATE_FOLDER
        folder.mkdir(exist_ok=True)
        return folder

    def start(self, settings: Any, files: list[Path], **facts: Any) -> None:
        """Makes the folder and writes the settings; those of a resumed run must match.

        Only the number of epochs may change: the rate then falls to 0 at the new end, from
        wherever it is, and the number before is kept under `resumed`. Hashes of the data `files`,
        versions and `facts` (values found at the start, such as the precision) are written too.
        """
        content = {
            "settings": dataclasses.asdict(settings),
            "facts": facts,
            "files": {str(file): sha256(file) for file in files},
            "versions": {"python": platform.python_version()} | _versions(),
        }
        content = json.loads(json.dumps(content))
        path = self.path / SETTINGS_FILE
        if self.resumed:
            before = json.loads(path.read_text(encoding="utf-8"))
            epochs = before["settings"]["epochs"]
            if epochs != content["settings"]["epochs"]:
                before["resumed"] = [*before.get("resumed", []), {"epochs_before": epochs}]
                before["settings"]["epochs"] = content["settings"]["epochs"]
            for part in ("settings", "files"):
                for name in sorted(before[part].keys() | content[part].keys()):
                    then, now = before[part].get(name), content[part].get(name)
                    if then != now:
                        raise TrainingError(
                            f"A resumed run keeps its {part}: {name} was {then!r} and is {now!r}. "
                            "Set it back, or start anew in another folder."
                        )
            _write_json(path, before)
            return
        if self.path.exists():
            shutil.rmtree(self.path)
        self.path.mkdir(parents=True)
        _write_json(path, content)

    def add_metrics(self, **values: Any) -> None:
        """Appends one JSON line."""
        with (self.path / METRICS_FILE).open("a", encoding="utf-8") as file:
            file.write(json.dumps(values) + "\n")

    def keep_metrics_until(self, epoch: int) -> None:
        """Drops the lines after `epoch` and those of averages: a resumed run writes them again."""
        path = self.path / METRICS_FILE
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        kept = [line for line in lines if _is_until(json.loads(line), epoch)]
        path.write_text("".join(line + "\n" for line in kept), encoding="utf-8")

    def finish(self, keep_state: bool) -> None:
        """Removes the state of a finished run, unless it is to be kept."""
        if not keep_state:
            shutil.rmtree(self.path / STATE_FOLDER, ignore_errors=True)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _is_until(metrics: dict[str, Any], epoch: int) -> bool:
    return metrics["epoch"] <= epoch and "averaged" not in metrics


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
