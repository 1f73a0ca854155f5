"""Streamformer end to end: texts in Kafka, the Flink job, committed results in Kafka."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

from turn import HERE, Turn, TurnError

HOME = HERE.parents[1]
LAUNCHER = HOME / "deploy" / "local" / "streamformer"
# How often the file of the benchmark is looked at, and how long it may take to stop.
POLL_SECONDS = 0.2
STOP_SECONDS = 60
# In less, most of what is counted had waited while the job started, and arrived at once.
MIN_SECONDS = 3


def turn(
    task: str, bundle: Path, texts: Path, records: int, scratch: Path, beams: int | None = None
) -> Turn:
    """One turn of `streamformer bench`, in a process of its own.

    A whole turn of the job warms the JVM up, then come the raw ceiling and the turn that counts.
    Batches of one and single calls would follow: the benchmark is stopped before them.
    """
    found = scratch / "ours.jsonl"
    said = scratch / "ours.log"
    found.unlink(missing_ok=True)
    command = [LAUNCHER, "bench", "--tasks", task, "--bundle", bundle, "--texts", texts]
    command += ["--records", records, "--rounds", 1, "--device", "cpu", "--json", found]
    if beams:
        command += ["--beams", beams]
    with said.open("w") as log:
        process = subprocess.Popen([str(word) for word in command], stdout=log, stderr=log)
        try:
            turns: dict[str, dict] = {}
            while "end to end" not in turns:
                if process.poll() is not None:
                    end = said.read_text(encoding="utf-8")[-2000:]
                    raise TurnError(f"streamformer bench ended with {process.returncode}:\n{end}")
                time.sleep(POLL_SECONDS)
                turns = _turns(found)
        finally:
            _stop(process)
    measured, raw = turns["end to end"], turns["raw ceiling"]
    figures = {key: measured[key] for key in ("input_tokens", "output_tokens", "padding_share")}
    figures["raw_texts_per_second"] = round(raw["texts_per_second"], 1)
    figures["of_the_ceiling"] = round(measured["texts_per_second"] / raw["texts_per_second"], 3)
    if beams:
        figures["beams"] = beams
    if measured["seconds"] < MIN_SECONDS:
        raise TurnError(
            f"A turn of ours takes {MIN_SECONDS} s or more, or it measures how a job starts: seen "
            f"{measured['seconds']} s for {measured['texts']} of {records} texts. Take more texts."
        )
    name = f"Streamformer end to end, {measured['bundle'].rsplit(' ', 1)[1]}"
    return Turn(name, measured["texts"], measured["seconds"], figures)


def _turns(path: Path) -> dict[str, dict]:
    """The turns that stand in the file by their modes; a line that is being written is left."""
    if not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    found = [json.loads(line) for line in lines]
    return {line["mode"]: line for line in found if line["kind"] == "turn"}


def _stop(process: subprocess.Popen) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
