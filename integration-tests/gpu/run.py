#!/usr/bin/env python3
"""Runs the checks on a machine with a GPU: joins and unpacks the parts, then check after check.

    python3 run.py --out results.jsonl --seconds 400

Each figure is a JSON line of --out as soon as it is had. A check that fails or takes too long is
recorded and the next one follows; the script ends by itself within --seconds. `--device cpu` is a
trial without a GPU, with small sizes. It needs Python with numpy, tokenizers and sacrebleu, and for
the GPU torch with its CUDA libraries; neither Java nor network.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import hashlib
import io
import json
import lzma
import os
import signal
import site
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
BEGIN = time.monotonic()
DEFAULT = ("sentiment-en", "translation-en-fr")


@dataclass(frozen=True)
class Step:
    """One check: its command, its most seconds, and a file that it writes JSON lines to."""

    name: str
    seconds: int
    command: list[str]
    figures: Path | None = None


def main() -> int:
    options = arguments()
    results = Results(options.out)
    kit = options.work
    try:
        unpack(options.parts, kit)
    except Exception as error:
        results.add("unpack", {"error": repr(error)})
        raise
    results.add("unpack", {"seconds": elapsed()})
    for step in steps(kit, options):
        left = options.seconds - elapsed() - 3
        if options.only and step.name not in options.only:
            continue
        if left < 5:
            results.add(step.name, {"skipped": "no time left"})
            continue
        code = run(step, min(left, step.seconds), kit, options, results)
        if step.name == "environment" and code:
            print("The device cannot be used; see the results.", file=sys.stderr)
            return 3
    results.add("end", {"seconds": elapsed()})
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", type=Path, default=HERE, help="folder with the parts' files")
    parser.add_argument("--work", type=Path, default=Path("/tmp/gpu-kit"), help="to unpack into")
    parser.add_argument("--out", type=Path, default=Path("results.jsonl"))
    parser.add_argument("--seconds", type=float, default=400, help="most seconds of all together")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--only", nargs="*", help="names of checks; default: all")
    parser.add_argument("--python-site", action=argparse.BooleanOptionalAction, default=True,
                        help="use the packed ONNX Runtime in Python")  # fmt: skip
    return parser.parse_args()


def elapsed() -> float:
    return round(time.monotonic() - BEGIN, 2)


class Results:
    """The file of figures, and a log of all else beside it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.file = path.open("a", encoding="utf-8")
        self.log = path.with_suffix(".log").open("a", encoding="utf-8")

    def add(self, step: str, figures: dict) -> None:
        line = json.dumps({"step": step, "at": elapsed(), **figures})
        print(line, file=self.file, flush=True)
        print(line[:600], flush=True)

    def note(self, line: str) -> None:
        print(line, file=self.log, flush=True)


# --- Unpacking --------------------------------------------------------------------------------


class Joined(io.RawIOBase):
    """Files one behind the other, as one stream."""

    def __init__(self, paths: list[Path]) -> None:
        self.paths = list(paths)
        self.file = self.paths.pop(0).open("rb")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        while not (count := self.file.readinto(buffer)) and self.paths:
            self.file.close()
            self.file = self.paths.pop(0).open("rb")
        return count


def unpack(parts: Path, kit: Path) -> None:
    if (kit / "unpacked").exists():
        return
    kit.mkdir(parents=True, exist_ok=True)
    chunks: dict[str, list[Path]] = {}
    for path in sorted(parts.rglob("*.tar.*")):
        chunks.setdefault(path.name.split(".")[0], []).append(path)
    with concurrent.futures.ProcessPoolExecutor() as pool:
        waiting = [pool.submit(extract, sorted(p, key=lambda x: x.name), kit)
                   for p in chunks.values()]  # fmt: skip
        for one in waiting:
            one.result()
        for one in [pool.submit(restore, b) for b in sorted((kit / "bundles").iterdir())]:
            one.result()
    sentences = (kit / "texts/sst2.tsv").read_text(encoding="utf-8").splitlines()[1:]
    texts = [line.split("\t")[1] for line in sentences]
    (kit / "texts/short.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
    # Some 128 tokens each.
    words = " ".join(texts).split()
    long = [" ".join(words[i : i + 105]) for i in range(0, len(words) - 105, 20)]
    (kit / "texts/long.txt").write_text("\n".join(long) + "\n", encoding="utf-8")
    (kit / "unpacked").touch()


def extract(chunks: list[Path], kit: Path) -> None:
    packed = io.BufferedReader(Joined(chunks), 1 << 20)
    with (
        lzma.open(packed) if ".xz." in chunks[0].name else packed as plain,
        tarfile.open(fileobj=plain, mode="r|") as archive,
    ):
        archive.extractall(kit, filter="tar")


def restore(bundle: Path) -> None:
    """Puts back into an fp32 graph what `pack.py` took out of it, and checks the hashes."""
    splices = bundle / "splices.json"
    if splices.exists():
        import numpy as np

        half = (bundle / "model.fp16.onnx").read_bytes()
        graph, whole, taken = (bundle / "model.fp32.onnx").read_bytes(), bytearray(), 0
        for at, source, count in json.loads(splices.read_text()):
            needed = at - len(whole)
            whole += graph[taken : taken + needed]
            taken += needed
            halves = np.frombuffer(half, np.float16, count, source)
            whole += halves.astype(np.float32).tobytes()
        whole += graph[taken:]
        (bundle / "model.fp32.onnx").write_bytes(whole)
        splices.unlink()
    manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    for name, expected in manifest["files"].items():
        if hashlib.sha256((bundle / name).read_bytes()).hexdigest() != expected:
            raise ValueError(f"{bundle.name}/{name} is not what was packed: pack it again.")


# --- The checks -------------------------------------------------------------------------------


def steps(kit: Path, options: argparse.Namespace) -> list[Step]:
    cpu = options.device == "cpu"
    device = "cpu" if cpu else "cuda:0"

    def python(name: str, seconds: int) -> Step:
        command = [sys.executable, str(HERE / "checks.py"), name, "--device", options.device]
        return Step(name, seconds, [*command, "--kit", str(kit), *(["--short"] if cpu else [])])

    def java(name: str, seconds: int, *command: object, figures: Path | None = None) -> Step:
        given = [line for line in (kit / "jvm.options").read_text().splitlines()
                 if line.startswith(("--add", "-D"))]  # fmt: skip
        jars = sorted(map(str, (kit / "classes").glob("*.jar")))
        heap = "1g" if cpu else "16g"
        return Step(
            name,
            seconds,
            [
                str(kit / "jre/bin/java"),
                *given,
                f"-Xmx{heap}",
                f"-Donnxruntime.native.path={kit / 'native'}",
                f"-Dstreamformer.home={kit}",
                f"-Dstreamformer.log={kit / 'streamformer.log'}",
                f"-XX:ErrorFile={kit / 'crash-%p.log'}",
                "-cp",
                ":".join([str(kit / "classes/kit"), *jars]),
                *map(str, command),
            ],
            figures,
        )

    gpu_run = "io.streamformer.it.GpuRun"
    bundles = kit / "bundles"
    sentiment, translation = (bundles / name for name in DEFAULT)
    every = sorted(path.parent for path in bundles.glob("*/manifest.json"))
    half = [path for path in every if (path / "model.fp16.onnx").exists()]
    rows = 16 if cpu else 512
    tokens = 2048 if cpu else 65536
    seconds = 3 if cpu else 6

    def rate(name: str, variant: str, bundle: Path, texts: str, rows: int, beams: object) -> Step:
        return java(f"java-rate-{name}", 40, gpu_run, "rate", device, variant, bundle,
                    kit / "texts" / texts, rows, tokens, beams, seconds)  # fmt: skip

    def bench(name: str, task: str, bundle: Path, texts: str, count: int, *more: object) -> Step:
        # A set count: as many texts as the bare session answers take the job minutes.
        figures = kit / f"bench-{name}.jsonl"
        return java(
            f"bench-{name}", 100, "io.streamformer.local.Main", "bench", "--tasks", task,
            "--bundle", bundle, "--variant", "fp32" if cpu else "fp16", "--device", device,
            "--texts", kit / "texts" / texts, "--max-rows", rows, "--max-tokens", tokens,
            "--only", "raw,end-to-end,no-order", "--rounds", 1,
            "--records", count // 40 if cpu else count, "--parallelism", 1 if cpu else 4,
            "--json", figures, *more, figures=figures,
        )  # fmt: skip

    # In order of worth; behind each the seconds that it took on an H200.
    return [
        python("environment", 60),  # 8
        java("java-golden-fp32", 60, gpu_run, "golden", device, "fp32", 0, *every),  # 5
        java("java-golden-fp16", 60, gpu_run, "golden", device, "fp16", 1, *half),  # 5
        rate("long", "fp16", sentiment, "long.txt", rows, "-"),  # 11.5, as the next ones
        rate("greedy", "fp16", translation, "captions.en", rows, 1),
        rate("short", "fp16", sentiment, "short.txt", rows, "-"),
        rate("beam4", "fp16", translation, "captions.en", rows, 4),
        python("agree", 100),  # 23
        java("java-memory", 40, gpu_run, "memory", device, "fp32", sentiment,
             kit / "texts" / ("short.txt" if cpu else "long.txt"), 16 if cpu else 1024,
             tokens if cpu else 131072, 400 << 20),  # not run to its end yet
        bench("sentiment", "sentiment", sentiment, "short.txt", 60_000),  # not yet
        bench("translation", "translation", translation, "captions.en", 20_000, "--beams", 1),
        python("encoder-rates", 60),  # 19
        python("decoder-rates", 90),  # 30
        python("concurrent", 40),  # 19
        python("quality", 60),  # 32
        python("placement", 80),  # 30
        python("ceilings", 30),  # 7
        python("memory", 60),  # not run to its end yet
        java("java-golden-tf32", 60, gpu_run, "golden", device, "fp32", 1, *every),  # 5
        rate("default-batches", "fp16", sentiment, "short.txt", 32, "-"),  # 11.5
        bench("sentiment-long", "sentiment", sentiment, "long.txt", 30_000),
        bench("translation-beam4", "translation", translation, "captions.en", 20_000,
              "--beams", 4),
    ]  # fmt: skip


def run(
    step: Step, seconds: float, kit: Path, options: argparse.Namespace, results: Results
) -> int:
    """Runs a check in a process group of its own, and ends it when its time is over."""
    results.note(f"=== {step.name} at {elapsed()}: {' '.join(step.command)[-1500:]}")
    begin = elapsed()
    tail: list[str] = []
    process = subprocess.Popen(
        step.command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=environment(kit, options),
        cwd=kit,
        start_new_session=True,
    )

    def read() -> None:
        for line in process.stdout:
            line = line.rstrip("\n")
            if line.startswith('{"'):
                try:
                    results.add(step.name, json.loads(line))
                    continue
                except ValueError:
                    pass
            results.note(line)
            tail.append(line)

    reader = threading.Thread(target=read)
    reader.start()
    ended: Callable[[], int | None] = process.poll
    while ended() is None and elapsed() - begin < seconds:
        time.sleep(0.1)
    late = ended() is None
    if late:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    reader.join(5)
    if step.figures and step.figures.exists():
        for line in step.figures.read_text(encoding="utf-8").splitlines():
            if line.startswith('{"') and line.endswith("}"):
                results.add(step.name, json.loads(line))
    outcome: dict = {"ended": process.returncode, "took": round(elapsed() - begin, 2)}
    if late:
        outcome["error"] = f"ended after its {seconds:.0f} s"
    elif process.returncode:
        outcome["error"] = "\n".join(tail[-25:])[-3000:]
    results.add(step.name, outcome)
    return process.returncode


def environment(kit: Path, options: argparse.Namespace) -> dict[str, str]:
    libraries = sorted(
        {
            str(path.parent)
            for folder in {*site.getsitepackages(), *filter(None, sys.path)}
            for path in Path(folder, "nvidia").glob("**/lib/*.so*")
        }
    )
    found = dict(os.environ)
    paths = [str(kit / "src")]
    if options.python_site:
        paths.insert(0, str(kit / "site"))
    found["PYTHONPATH"] = ":".join([*paths, found.get("PYTHONPATH", "")])
    found["LD_LIBRARY_PATH"] = ":".join([*libraries, found.get("LD_LIBRARY_PATH", "")])
    found["DJL_CACHE_DIR"] = str(kit / "djl")
    found["PYTHONUNBUFFERED"] = "1"
    found["MALLOC_ARENA_MAX"] = "8"
    found["ORT_DISABLE_TELEMETRY"] = "1"
    return found


if __name__ == "__main__":
    sys.exit(main())
