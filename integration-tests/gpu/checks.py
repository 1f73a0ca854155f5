"""The checks of the GPU kit that run in Python: `run.py` calls each in a process of its own.

Each prints its figures as JSON lines, as soon as it has them.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from streamformer_export.bundle import Bundle, Runner

DEFAULT = ("sentiment-en", "translation-en-fr")
# Every attention kernel but cuDNN's (8): that one is planned anew for each shape, and in a decode
# loop every step has another.
SDPA_KERNELS = "119"
# The graph of MiniLM: layers, width, inner width.
MINILM = (6, 384, 1536)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("check", choices=CHECKS)
    parser.add_argument("--device", choices=("cpu", "cuda"), required=True)
    parser.add_argument("--kit", type=Path, required=True)
    parser.add_argument("--short", action="store_true", help="sizes for a trial on a CPU")
    options = parser.parse_args()
    CHECKS[options.check](Kit(options.kit, options.device, options.short))


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


# --- a: where we are ---------------------------------------------------------------------------


def environment(kit: Kit) -> None:
    found: dict[str, Any] = {
        "python": sys.version.split()[0],
        "onnxruntime": onnxruntime.__version__,
        "onnxruntime_file": onnxruntime.__file__,
        "cores": os.cpu_count(),
        "machine": os.uname().machine,
    }
    if kit.device == "cuda":
        query = "--query-gpu=name,driver_version,memory.total,clocks.max.sm,clocks.sm"
        smi = subprocess.run(["nvidia-smi", query, "--format=csv,noheader"], capture_output=True)
        found["gpu"] = smi.stdout.decode().strip()
        import torch

        found["torch"] = torch.__version__
        found["cuda"] = torch.version.cuda
        found["cudnn"] = torch.backends.cudnn.version()
    runner = kit.runner(kit.bundle("tiny-sentiment"), "fp32")
    found["providers"] = runner.session.get_providers()
    runner.run([[2, 5, 3]])
    emit("environment", **found)
    if kit.device == "cuda" and found["providers"][0] != "CUDAExecutionProvider":
        library = next(kit.folder.glob("site/onnxruntime/capi/*providers_cuda.so"))
        ldd = subprocess.run(["ldd", library], capture_output=True, text=True).stdout
        missing = [line.strip() for line in ldd.splitlines() if "not found" in line]
        emit("environment", error="The CUDA provider did not load.", missing=missing)
        raise SystemExit(3)


def ceilings(kit: Kit) -> None:
    """What the device gives at most: a large product, a copy, a launch."""
    import torch

    cuda = kit.device == "cuda"
    size = 8192 if cuda else 512
    for name, dtype, tf32 in (
        ("fp16", torch.float16, False),
        ("tf32", torch.float32, True),
        ("fp32", torch.float32, False),
    ):
        torch.backends.cuda.matmul.allow_tf32 = tf32
        a, b = (torch.randn(size, size, device=kit.device).to(dtype) for _ in range(2))
        seconds = median_time(lambda a=a, b=b: a @ b, 0.3, torch.cuda.synchronize if cuda else None)
        emit("ceiling", product=name, size=size, tflops=2 * size**3 / seconds / 1e12)
    if cuda:
        x = torch.zeros(1 << 30, dtype=torch.uint8, device="cuda")
        y = torch.empty_like(x)
        seconds = median_time(lambda: y.copy_(x), 0.3, torch.cuda.synchronize)
        emit("ceiling", copy_gb_per_second=2 * x.numel() / seconds / 1e9)
        small = torch.zeros(1, device="cuda")

        def launches() -> None:
            for _ in range(1000):
                small.add_(1)

        seconds = median_time(launches, 0.5, torch.cuda.synchronize)
        emit("ceiling", launch_microseconds=seconds * 1000)


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


# --- b: the same answers -----------------------------------------------------------------------


def agree(kit: Kit) -> None:
    """Each bundle and variant on the device beside the CPU."""
    for bundle in kit.bundles():
        for variant in bundle.manifest["variants"]:
            if bundle.folder.name in DEFAULT and variant == "int8":
                continue
            try:
                agree_one(kit, bundle, variant)
            except Exception as error:  # a failing bundle must not hide the others
                emit("agree", bundle=bundle.folder.name, variant=variant, error=repr(error)[:900])


def agree_one(kit: Kit, bundle: Bundle, variant: str) -> None:
    name = bundle.folder.name
    if name == "sentiment-en":
        readings = [bundle.encode(text) for text in kit.sst2()[0][:256]]
    elif name == "translation-en-fr":
        readings = [bundle.encode(text) for text in kit.captions()[:128]]
    else:
        golden = [(g["text"], g.get("text_pair")) for g in bundle.golden()]
        readings = list(itertools.chain(*(bundle.readings(*g) for g in golden)))
    searches = (1, 4) if bundle.generates else (None,)
    if bundle.manifest.get("decoding", {}).get("temperature", 0) > 0:
        searches = (1,)
    reference = Runner(bundle, variant, 1 if kit.short else None)
    settings = (0, 1) if variant == "fp32" and kit.device == "cuda" else (1,)
    runners = {tf32: kit.runner(bundle, variant, tf32) for tf32 in settings}
    for beams in searches:
        expected = outputs(reference, readings, beams)
        for tf32, runner in runners.items():
            begin = time.perf_counter()
            found = outputs(runner, readings, beams)
            emit(
                "agree",
                bundle=name,
                variant=variant,
                beams=beams,
                tf32=tf32 if len(settings) > 1 else None,
                rows=len(readings),
                **compare(bundle, expected, found),
                seconds=time.perf_counter() - begin,
            )


def outputs(runner: Runner, readings: list[Any], beams: int | None) -> list[Any]:
    """Per row an encoder's outputs, or the best hypothesis' ids and its score."""
    found: list[Any] = []
    for start in range(0, len(readings), 64):
        some = readings[start : start + 64]
        if beams is None:
            found += runner.outputs(some)
            continue
        rows = [list(r.ids) for r in some]
        result = runner.run(rows, num_beams=beams)
        found += [
            (runner.trim(result[0][i, 0], len(row)), float(result[1][i, 0]))
            for i, row in enumerate(rows)
        ]
    return found


def compare(bundle: Bundle, expected: list[Any], found: list[Any]) -> dict[str, Any]:
    if bundle.generates:
        pairs = list(zip(expected, found, strict=True))
        same = sum(a[0] == b[0] for a, b in pairs)
        tokens = sum(sum(x == y for x, y in zip(a[0], b[0], strict=False)) for a, b in pairs)
        most = sum(max(len(a[0]), len(b[0])) for a, b in pairs)
        apart = [abs(a[1] - b[1]) for a, b in pairs if a[0] == b[0]]
        return {
            "equal_rows": same / len(pairs),
            "equal_tokens": tokens / most,
            "largest_score_difference_of_equal": max(apart, default=None),
        }
    apart = max(
        float(np.abs(x - y).max()) for a, b in zip(expected, found, strict=True)
        for x, y in zip(a, b, strict=True)
    )  # fmt: skip
    equal = [
        (x.argmax(axis=-1) == y.argmax(axis=-1)).all()
        for a, b in zip(expected, found, strict=True)
        for x, y in zip(a, b, strict=True)
    ]
    return {
        "largest_difference": apart,
        "largest_value": max(float(np.abs(x).max()) for a in expected for x in a),
        "equal_best": float(np.mean(equal)),
    }


# --- c: placement ------------------------------------------------------------------------------


def placement(kit: Kit) -> None:
    """Where each node runs, and the copies between host and device, inside loops and outside."""
    rows = 64 if not kit.short else 8
    chosen = [("sentiment-en", "fp16", None), ("translation-en-fr", "fp16", 1)]
    chosen += [("translation-en-fr", "fp16", 4), ("translation-en-fr", "fp32", 1)]
    for tiny in ("tiny-summary", "tiny-generation", "tiny-many", "tiny-options", "tiny-student"):
        chosen.append((tiny, "fp32", 4))
    for name, variant, beams in chosen:
        try:
            placement_one(kit, kit.bundle(name), variant, beams, rows)
        except Exception as error:
            emit("placement", bundle=name, variant=variant, beams=beams, error=repr(error)[:900])


def placement_one(kit: Kit, bundle: Bundle, variant: str, beams: int | None, rows: int) -> None:
    readings = some_readings(kit, bundle, rows)
    with tempfile.TemporaryDirectory() as scratch:
        runner = kit.runner(bundle, variant, profile=Path(scratch) / "profile")
        for _ in range(3):
            result = run_batch(runner, readings, beams)
        events = json.loads(Path(runner.session.end_profiling()).read_text(encoding="utf-8"))
    steps = result[0].shape[2] if bundle.generates else 1
    runs = [e for e in events if e["name"] == "model_run"]
    last = runs[-1]
    nodes = [
        e
        for e in events
        if e.get("cat") == "Node" and e["name"].endswith("_kernel_time") and e["ts"] >= last["ts"]
    ]
    own, depth = nested(nodes)
    count: dict[str, Counter[str]] = defaultdict(Counter)
    spent: Counter[str] = Counter()
    calls: Counter[str] = Counter()
    for i, event in enumerate(nodes):
        args = event["args"]
        where = "in_loops" if depth[i] else "outside"
        kind, provider = args["op_name"], args.get("provider", "?").replace("ExecutionProvider", "")
        count[f"{provider}_{where}"][kind] += 1
        spent[f"{provider} {kind} {where}"] += own[i]
        calls[f"{provider} {kind} {where}"] += 1
    same = {"bundle": bundle.folder.name, "variant": variant, "beams": beams, "rows": len(readings)}
    emit(
        "placement",
        **same,
        steps=steps,
        run_ms=last["dur"] / 1000,
        nodes_in_loops_per_step=sum(1 for d in depth if d) / steps,
        **{key: sum(values.values()) for key, values in sorted(count.items())},
        copies={
            key: {k: v for k, v in values.items() if k.startswith("Memcpy")}
            for key, values in count.items()
            if any(k.startswith("Memcpy") for k in values)
        },
        cpu_kinds={
            key: dict(values.most_common()) for key, values in count.items() if key[:3] == "CPU"
        }
        if kit.device == "cuda"
        else None,
    )
    emit(
        "node-times",
        **same,
        steps=steps,
        top={k: [round(v / 1000, 3), calls[k]] for k, v in spent.most_common(20)},
    )
    if kit.device == "cuda":
        # A fresh session: the profile above costs time itself.
        kernels(kit.runner(bundle, variant), readings, beams, same)


def kernels(runner: Runner, readings: list[Any], beams: int | None, same: dict[str, Any]) -> None:
    """What the GPU itself did in one run, by CUPTI through torch's profiler."""
    import torch

    torch.zeros(1, device="cuda")
    for _ in range(3):
        begin = time.perf_counter()
        result = run_batch(runner, readings, beams)
        alone = time.perf_counter() - begin
    activities = [torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as profiler:
        begin = time.perf_counter()
        run_batch(runner, readings, beams)
        traced = time.perf_counter() - begin
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "trace.json"
        profiler.export_chrome_trace(str(path))
        events = json.loads(path.read_text(encoding="utf-8"))["traceEvents"]
    kinds: dict[str, list[float]] = defaultdict(list)
    busy: Counter[str] = Counter()
    calls: Counter[str] = Counter()
    for event in events:
        kind = event.get("cat")
        if kind == "kernel":
            kinds[kind].append(event["dur"])
            short = event["name"].split("(")[0].split("<")[0][-60:]
            busy[short] += event["dur"]
            calls[short] += 1
        elif kind in ("gpu_memcpy", "gpu_memset"):
            kinds[event["name"].split(" (")[0]].append(event["dur"])
        elif kind == "cuda_runtime" and "Synchronize" in event["name"]:
            kinds[event["name"]].append(event["dur"])
    steps = result[0].shape[2] if runner.bundle.generates else 1
    emit(
        "kernels",
        **same,
        steps=steps,
        run_ms=alone * 1000,
        traced_ms=traced * 1000,
        counts={k: len(v) for k, v in kinds.items()},
        per_step={k: round(len(v) / steps, 2) for k, v in kinds.items()},
        busy_ms={k: round(sum(v) / 1000, 3) for k, v in kinds.items()},
        gpu_busy_share_of_run=sum(kinds.get("kernel", [])) / 1e6 / alone,
        top={k: [round(v / 1000, 3), calls[k]] for k, v in busy.most_common(15)},
    )


def nested(nodes: list[dict[str, Any]]) -> tuple[list[float], list[int]]:
    """For each event its microseconds outside the events within it, and how many are around it."""
    own, depth = [float(e["dur"]) for e in nodes], [0] * len(nodes)
    around: list[int] = []
    for i in sorted(range(len(nodes)), key=lambda i: (nodes[i]["ts"], -nodes[i]["dur"])):
        while around and end_of(nodes[around[-1]]) < end_of(nodes[i]):
            around.pop()
        depth[i] = len(around)
        if around:
            own[around[-1]] -= nodes[i]["dur"]
        if nodes[i]["args"]["op_name"] in ("Loop", "If", "Scan"):
            around.append(i)
    return own, depth


def end_of(event: dict[str, Any]) -> float:
    return event["ts"] + event["dur"]


def some_readings(kit: Kit, bundle: Bundle, rows: int) -> list[Any]:
    texts = kit.captions() if bundle.folder.name == "translation-en-fr" else kit.sst2()[0]
    return [bundle.encode(text) for text in texts[:rows]]


def run_batch(runner: Runner, readings: list[Any], beams: int | None) -> list[np.ndarray]:
    return runner.run([list(r.ids) for r in readings], num_beams=beams)


# --- d: rates ----------------------------------------------------------------------------------


def encoder_rates(kit: Kit) -> None:
    bundle = kit.bundle("sentiment-en")
    ids = [i for text in kit.sst2()[0] for i in bundle.encode(text).ids[1:-1]]
    layers, width, inner = MINILM
    sizes = (8,) if kit.short else (32, 64, 128, 256, 512, 1024, 2048)
    settings = [(v, t, SDPA_KERNELS) for v in ("fp16", "fp32") for t in (128, 32)]
    for variant, tokens, sdpa in [*settings, ("fp16", 128, "0")]:
        runner = kit.runner(bundle, variant, sdpa=sdpa)
        for rows in sizes:
            if rows * tokens > 1024 * 128:
                continue
            batch = [
                [101, *(ids[(7 * r + j) % len(ids)] for j in range(tokens - 2)), 102]
                for r in range(rows)
            ]
            feed = {"input_ids": np.array(batch, np.int64)}
            feed["attention_mask"] = np.ones_like(feed["input_ids"])
            feed["token_type_ids"] = np.zeros_like(feed["input_ids"])
            seconds = median_time(lambda r=runner, f=feed: r.session.run(None, f), 0.5)
            work = 2 * layers * (4 * width * width + 2 * width * inner + 2 * tokens * width)
            emit(
                "encoder-rate",
                variant=variant,
                sdpa_kernel=sdpa,
                tokens=tokens,
                rows=rows,
                run_ms=seconds * 1000,
                texts_per_second=rows / seconds,
                tokens_per_second=rows * tokens / seconds,
                tflops=work * rows * tokens / seconds / 1e12,
            )


def decoder_rates(kit: Kit) -> None:
    """Sorted batches of captions, each once to warm up; what that took is told too."""
    bundle = kit.bundle("translation-en-fr")
    rows = sorted((bundle.ids(text) for text in kit.captions()), key=len)
    sizes = (16,) if kit.short else (512, 128, 32)
    settings = [(variant, beams, SDPA_KERNELS) for variant in ("fp16", "fp32") for beams in (1, 4)]
    # cuDNN's attention, which ONNX Runtime prefers by itself on this device.
    settings.append(("fp16", 1, "0"))
    for variant, beams, sdpa in settings:
        runner = kit.runner(bundle, variant, sdpa=sdpa)
        for size in sizes if sdpa == SDPA_KERNELS else sizes[:1]:
            batches = [rows[i : i + size] for i in range(0, len(rows) - size + 1, size)]
            begin = time.perf_counter()
            for batch in batches:
                runner.run(batch, num_beams=beams)
            cold = time.perf_counter() - begin
            begin = time.perf_counter()
            texts = tokens = steps = runs = 0
            for batch in itertools.islice(itertools.cycle(batches), 400):
                sequences = runner.run(batch, num_beams=beams)[0]
                texts, runs, steps = texts + len(batch), runs + 1, steps + sequences.shape[2]
                tokens += sum(
                    len(runner.trim(sequence[0], len(row)))
                    for sequence, row in zip(sequences, batch, strict=True)
                )
                if time.perf_counter() - begin > 1.5 and runs >= min(len(batches), 4):
                    break
            seconds = time.perf_counter() - begin
            emit(
                "decoder-rate",
                variant=variant,
                beams=beams,
                sdpa_kernel=sdpa,
                rows=size,
                texts_per_second=texts / seconds,
                output_tokens_per_second=tokens / seconds,
                steps_per_batch=steps / runs,
                ms_per_step=1000 * seconds / steps,
                first_ms_per_batch=1000 * cold / len(batches),
                ms_per_batch=1000 * seconds / runs,
            )


def concurrent(kit: Kit) -> None:
    """Several sessions of the translator at a time, each with a thread and a stream of its own."""
    bundle = kit.bundle("translation-en-fr")
    rows = sorted((bundle.ids(text) for text in kit.captions()), key=len)
    for size, sessions in itertools.product((16,) if kit.short else (64, 256), (1, 2, 4)):
        runners = [kit.runner(bundle, "fp16") for _ in range(sessions)]
        batches = [rows[i : i + size] for i in range(0, len(rows) - size + 1, size)]
        for runner in runners:
            for batch in batches:
                runner.run(batch, num_beams=1)
        ends = time.perf_counter() + 2

        def work(runner: Runner, batches: Any = batches, ends: float = ends) -> int:
            texts = 0
            for batch in itertools.cycle(batches):
                runner.run(batch, num_beams=1)
                texts += len(batch)
                if time.perf_counter() > ends:
                    return texts

        begin = time.perf_counter()
        with ThreadPoolExecutor(sessions) as pool:
            texts = sum(pool.map(work, runners))
        rate = texts / (time.perf_counter() - begin)
        emit(
            "concurrent",
            variant="fp16",
            beams=1,
            rows=size,
            sessions=sessions,
            texts_per_second=rate,
        )


# --- f: memory ---------------------------------------------------------------------------------


def memory(kit: Kit) -> None:
    """The device's memory over runs of changing shapes, from one thread and from changing ones."""
    bundle = kit.bundle("sentiment-en")
    runner = kit.runner(bundle, "fp16")
    random = np.random.default_rng(1)
    runs = 20 if kit.short else 500

    def shapes() -> Iterator[tuple[int, int]]:
        while True:
            yield int(random.integers(1, 257)), int(random.integers(4, 129))

    def run(shape: tuple[int, int]) -> None:
        rows, tokens = shape if not kit.short else (2, 8)
        ids = random.integers(1000, 30000, (rows, tokens))
        mask = np.ones_like(ids)
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        runner.session.run(None, feed)

    begin = used_bytes(kit)
    run((256, 128))
    first = used_bytes(kit)
    readings = {}
    for i, shape in enumerate(itertools.islice(shapes(), runs), 1):
        run(shape)
        if i in (50, 100, 200, 300, 400, runs):
            readings[i] = used_bytes(kit) - begin
    emit("memory", threads=1, runs=runs, after_first=first - begin, after_runs=readings)
    before = used_bytes(kit)
    for shape in itertools.islice(shapes(), runs // 5):
        thread = threading.Thread(target=run, args=(shape,))
        thread.start()
        thread.join()
    grown = used_bytes(kit) - before
    emit("memory", threads="a new one for each run", runs=runs // 5, grown=grown)
    translator = kit.bundle("translation-en-fr")
    runner = kit.runner(translator, "fp16")
    rows = [translator.ids(text) for text in kit.captions()]
    before, readings = used_bytes(kit), {}
    for i in range(1, runs // 5 + 1):
        at = int(random.integers(0, max(1, len(rows) - 256)))
        size = int(random.integers(1, 257)) if not kit.short else 2
        runner.run(rows[at : at + size], num_beams=4)
        if i % max(1, runs // 20) == 0:
            readings[i] = used_bytes(kit) - before
    emit("memory", bundle="translation-en-fr", threads=1, beams=4, after_runs=readings)


def used_bytes(kit: Kit) -> int:
    if kit.device == "cpu":
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    import torch

    free, total = torch.cuda.mem_get_info()
    return total - free


# --- g: quality --------------------------------------------------------------------------------


def quality(kit: Kit) -> None:
    """fp16 beside fp32, both on the device."""
    from sacrebleu.metrics import BLEU

    bundle = kit.bundle("sentiment-en")
    texts, labels = kit.sst2()
    readings = [bundle.encode(text) for text in texts]
    best: dict[str, np.ndarray] = {}
    for variant in ("fp32", "fp16"):
        found = outputs(kit.runner(bundle, variant), readings, None)
        best[variant] = np.array([row[0].argmax() for row in found])
        right = float((best[variant] == np.array(labels)).mean())
        emit("labels", variant=variant, texts=len(texts), accuracy=right)
    emit("labels", equal=float((best["fp16"] == best["fp32"]).mean()))
    bundle = kit.bundle("translation-en-fr")
    references = kit.captions("fr")
    readings = [bundle.encode(text) for text in kit.captions()]
    for beams in (1, 4):
        written: dict[str, list[str]] = {}
        for variant in ("fp32", "fp16"):
            found = outputs(kit.runner(bundle, variant), readings, beams)
            written[variant] = [bundle.text(ids) for ids, _ in found]
            score = BLEU().corpus_score(written[variant], [references]).score
            emit("bleu", variant=variant, beams=beams, bleu=score)
        pairs = zip(written["fp32"], written["fp16"], strict=True)
        emit("bleu", beams=beams, equal=float(np.mean([a == b for a, b in pairs])))


CHECKS = {
    "environment": environment,
    "ceilings": ceilings,
    "agree": agree,
    "placement": placement,
    "encoder-rates": encoder_rates,
    "decoder-rates": decoder_rates,
    "concurrent": concurrent,
    "memory": memory,
    "quality": quality,
}

if __name__ == "__main__":
    main()
